"""A YAML file to settings, or errors that name line, key and the nearest right key."""

import difflib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

import zn_pipeline as zn
from nodes.schema.listing import keys_of
from nodes.schema.section import Section, sections_of, tag_of

__all__ = ["ConfigError", "check_config", "read_config", "write_config"]

AnySection = TypeVar("AnySection", bound=Section)


class ConfigError(zn.PipelineError, ValueError):
    """A file of settings is wrong; the message lists every problem."""


def read_config(path: Path, kind: type[AnySection]) -> AnySection:
    """Read a YAML file.

    Raises
    ------
    ConfigError
        If the file is not there, is no YAML, or does not fit. All problems are named, each with
        its line and full key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} must be a readable YAML file, received: {error}") from error
    try:
        content = YAML().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        problem = " ".join(str(error.problem or error.context).split())
        raise ConfigError(f"{path} must be YAML, received at {place}{problem}") from error
    return check_config(content, kind, source=str(path))


def check_config(content: Any, kind: type[AnySection], *, source: str = "settings") -> AnySection:
    """Turn nested mappings into settings; raises `ConfigError`."""
    if not isinstance(content, Mapping):
        raise ConfigError(f"{source} must hold keys and values, received {type(content).__name__}")
    try:
        return kind.model_validate(_plain(content))
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [_problem(content, kind, d) for d in details if not _follows(d, details)]
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigError(f"{source} has {count}:\n{lines}") from error


def write_config(path: Path, config: Section) -> None:
    """Write all settings, those that were not given too."""
    yaml = YAML()
    yaml.default_flow_style = False
    buffer = io.StringIO()
    yaml.dump(config.model_dump(mode="json"), buffer)
    path.write_text(buffer.getvalue(), encoding="utf-8")


def _plain(value: Any) -> Any:
    """Return what YAML gave, as objects of Python's own types."""
    if isinstance(value, Mapping):
        return {_plain(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(entry) for entry in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _follows(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """Whether a list is too short only because its entries are wrong."""
    loc = detail["loc"]
    inner = any(d["loc"][: len(loc)] == loc and len(d["loc"]) > len(loc) for d in details)
    return detail["type"] == "too_short" and inner


def _problem(content: Any, kind: type[Section], detail: ErrorDetails) -> str:
    """Return one error as a line of text."""
    path, line = _place(content, detail)
    name = ".".join(map(str, path)) or "the file"
    if detail["type"] == "extra_forbidden":
        text = f"{name} is not a key" + _nearest(kind, detail["loc"], path)
    elif detail["type"] == "missing":
        text = f"{name} must be given"
    elif detail["type"] in ("union_tag_invalid", "union_tag_not_found", "literal_error"):
        text = _choices(name, detail)
    else:
        message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        message = message.replace("Input should be", "must be")
        given = detail["input"]
        shown = "" if isinstance(given, dict | list | Section) else f", received {given!r}"
        text = f"{name} {message}{shown}" if "received" not in message else f"{name}: {message}"
    return text if line is None else f"line {line}: {text}"


def _place(content: Any, detail: ErrorDetails) -> tuple[list[str | int], int | None]:
    """Return the path in the file (without tags of alternatives) and the line that it stands in."""
    value: Any = content
    path: list[str | int] = []
    line: int | None = None
    for depth, part in enumerate(detail["loc"]):
        last = depth == len(detail["loc"]) - 1
        if _is_inside(value, part):
            mark = getattr(value, "lc", None)
            if mark is not None:
                row = mark.key(part) if isinstance(value, Mapping) else mark.item(part)
                line = row[0] + 1
            value = value[part]
            path.append(part)
        elif last and detail["type"] == "missing":
            path.append(part)
    return path, line


def _is_inside(value: Any, part: str | int) -> bool:
    """Whether a mapping has a key, or a list an entry."""
    if isinstance(value, Mapping):
        return part in value
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return is_list and isinstance(part, int) and part < len(value)


def _choices(name: str, detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    tag = str(context.get("discriminator", "")).strip("'")
    if not tag.isidentifier():
        tag = ""
    expected = str(context.get("expected_tags", context.get("expected", "")))
    place = f"{name}.{tag}" if tag else name
    if detail["type"] == "union_tag_not_found":
        return f"{place} must be given"
    given = str(context.get("tag", detail["input"]))
    options = [option.strip().strip("'") for option in expected.replace(" or ", ", ").split(",")]
    near = difflib.get_close_matches(given, options, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{place} must be one of {', '.join(options)}, received {given!r}{hint}"


def _nearest(kind: type[Section], loc: tuple[str | int, ...], path: list[str | int]) -> str:
    """Return the end of a message about an unknown key: what may have been meant."""
    wrong = str(path[-1])
    known = sorted(
        {name for section in _sections_at(kind, loc[:-1]) for name in section.model_fields}
    )
    elsewhere = sorted({k.path for k in keys_of(kind) if k.path.rpartition(".")[2] == wrong})
    if elsewhere:
        return f" here, did you mean {elsewhere[0]}?"
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.6)
    if near:
        return f", did you mean {near[0]}?"
    return f"; the keys here are {', '.join(known)}" if known else ""


def _sections_at(kind: type[Section], loc: tuple[str | int, ...]) -> list[type[Section]]:
    """Return the sections that stand at a place of pydantic's error."""
    sections = [kind]
    for part in loc:
        if isinstance(part, int):
            continue
        tagged = [s for s in sections if (tag := tag_of(s)) is not None and tag[1] == part]
        if tagged:
            sections = tagged
            continue
        fields = [s.model_fields[part] for s in sections if part in s.model_fields]
        sections = [inner for field in fields for inner in sections_of(field.annotation)]
    return sections
