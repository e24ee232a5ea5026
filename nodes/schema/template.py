"""A YAML file to start from: every key with its default and a comment."""

import json
from typing import Any

from nodes.schema.section import Section, has_no_effect, tag_of

__all__ = ["template"]

_WIDTH = 96


def template(config: Section, *, full: bool) -> str:
    """Return settings as YAML.

    Parameters
    ----------
    config : settings to show
    full : also the keys that have their default, and what each key means
    """
    return "\n".join(_lines(config, "", full)) + "\n"


def _lines(section: Section, indent: str, full: bool) -> list[str]:  # noqa: FBT001
    lines: list[str] = []
    tag = tag_of(type(section))
    fields = type(section).model_fields
    order = sorted(fields, key=lambda name: tag is None or name != tag[0])
    for name, field in ((name, fields[name]) for name in order):
        given = name in section.model_fields_set
        if not (given or (full and not has_no_effect(field))):
            continue
        if full and field.description:
            lines += _comment(field.description, indent)
        lines += _entry(f"{indent}{name}:", getattr(section, name), indent, full)
    return lines


def _entry(start: str, value: Any, indent: str, full: bool) -> list[str]:  # noqa: FBT001
    if isinstance(value, Section):
        return [start, *_lines(value, f"{indent}  ", full)] if _lines(value, "", full) else []
    if isinstance(value, list | tuple) and value and isinstance(value[0], Section):
        rows = [start]
        for entry in value:
            inner = _lines(entry, f"{indent}    ", full)
            first = next(k for k, line in enumerate(inner) if not line.lstrip().startswith("#"))
            inner[first] = f"{indent}  - {inner[first].lstrip()}"
            rows += inner
        return rows
    return [f"{start} {_value(value)}"]


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        plain = value.replace("_", "").replace("-", "").replace(".", "").replace("/", "")
        return value if plain.isalnum() and not plain.isdigit() else json.dumps(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(entry) for entry in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_value(k)}: {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, float) and "e" in str(value) and "." not in str(value):
        return str(value).replace("e", ".0e")  # YAML 1.1 would take 1e-06 for a text
    return str(value)


def _comment(text: str, indent: str) -> list[str]:
    lines, line = [], f"{indent}#"
    for word in text.split():
        if len(line) + len(word) >= _WIDTH:
            lines.append(line)
            line = f"{indent}#"
        line += f" {word}"
    return [*lines, line]
