"""A fast reader and writer for the plain block YAML of the generated files.

``dump`` writes a subset of YAML that reads the same under YAML 1.1 and 1.2. ``load`` reads that
subset line by line, and hands anything else to the parser that DVC uses, so that a file which was
edited by hand means here what it means to DVC.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from zn_pipeline.errors import PipelineError
from zn_pipeline.records import Json

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+=-]*(?:[ :][A-Za-z0-9_./+=-]+)*\Z")
_HASH = re.compile(r"(?=[0-9a-f]*[a-df])[0-9a-f]{32}(?:\.dir)?\Z")
_RESERVED = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
_CONTROL = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:e[-+][0-9]+)?\Z")
_LINE = re.compile(r"( *)((?:- )*)(?:([^:\s'\"][^:]*|\"(?:[^\"\\]|\\.)*\"):(?: (.*)|$)|(.*))\Z")
_CONSTANTS = {"true": True, "false": False, "null": None, "{}": {}, "[]": [], ".inf": math.inf}


def _is_plain(text: str) -> bool:
    return _PLAIN.match(text) is not None and text.lower() not in _RESERVED


def _quoted(text: str) -> str:
    body = json.dumps(text, ensure_ascii=False)
    return _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", body)


def _text(value: str) -> str:
    return value if _is_plain(value) or _HASH.match(value) else _quoted(value)


def _scalar(value: Json) -> str:
    if isinstance(value, str):
        return _text(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isinf(value):
            return ".inf" if value > 0 else "-.inf"
        text = repr(value)
        mantissa, e, exponent = text.partition("e")
        return text if not e or "." in mantissa else f"{mantissa}.0e{exponent}"
    raise TypeError(f"a YAML value must be plain data, received {type(value).__name__}: {value!r}")


def _emit(value: Json, indent: str, lines: list[str], lead: str) -> None:
    """Append the lines of ``value``; ``lead`` stands before its first line."""
    if isinstance(value, dict) and value:
        for key, item in cast("dict[Any, Any]", value).items():
            name = _text(key) if isinstance(key, str) else _scalar(key)
            _emit_pair(name, item, indent, lines, lead)
            lead = indent
    elif isinstance(value, list) and value:
        for item in cast("list[Any]", value):
            _emit(item, indent + "  ", lines, lead + "- ")
            lead = indent
    else:
        lines.append(lead + ("{}" if value == {} else "[]" if value == [] else _scalar(value)))


def _emit_pair(key: str, item: Json, indent: str, lines: list[str], lead: str) -> None:
    if isinstance(item, dict) and item:
        lines.append(f"{lead}{key}:")
        _emit(item, indent + "  ", lines, indent + "  ")
    elif isinstance(item, list) and item:
        lines.append(f"{lead}{key}:")
        _emit(item, indent, lines, indent)
    else:
        text = "{}" if item == {} else "[]" if item == [] else _scalar(item)
        lines.append(f"{lead}{key}: {text}")


def dump(value: Json, indent: int = 0) -> str:
    """Return ``value`` as block YAML, every line indented by ``indent`` blanks."""
    lines: list[str] = []
    space = " " * indent
    _emit(value, space, lines, space)
    return "\n".join(lines) + "\n"


class _UnsupportedError(Exception):
    """The text is outside the subset."""


def _value(text: str) -> Json:
    if text in _CONSTANTS:
        constant = _CONSTANTS[text]
        return type(constant)() if isinstance(constant, (dict, list)) else constant
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    if text[:1] == '"':
        try:
            return json.loads(text)
        except ValueError:
            raise _UnsupportedError(text) from None
    if text[:1] == "'" and text.count("'") == 2 and text[-1] == "'":
        return text[1:-1]
    if _is_plain(text) or _HASH.match(text):
        return text
    raise _UnsupportedError(text)


class _Reader:
    """Recursive reader over ``(column, dashes, key, rest)`` of each line."""

    def __init__(self, text: str) -> None:
        self.lines: list[tuple[int, Any, Any]] = []
        for line in text.split("\n"):
            stripped = line.strip()
            if not stripped or (stripped[0] == "#"):
                continue
            self._split(line)
        self.at = 0

    def _split(self, line: str) -> None:
        found = _LINE.match(line)
        if found is None:
            raise _UnsupportedError(line)
        blanks, dashes, key, rest, alone = found.groups()
        column = len(blanks)
        for _ in range(len(dashes) // 2):
            self.lines.append((column, None, "-"))
            column += 2
        if key is not None:
            name = _value(key)
            if isinstance(name, (dict, list)):
                raise _UnsupportedError(line)
            self.lines.append((column, (name,), rest or ""))
        elif alone == "-":
            raise _UnsupportedError(line)
        else:
            self.lines.append((column, None, alone))

    def node(self, column: int) -> Json:
        at, key, rest = self.lines[self.at]
        if at != column:
            raise _UnsupportedError("indentation")
        if key is not None:
            return self._mapping(column)
        if rest == "-":
            return self._sequence(column)
        self.at += 1
        return _value(rest)

    def _mapping(self, column: int) -> dict[Any, Json]:
        result: dict[Any, Json] = {}
        while self.at < len(self.lines):
            at, key, rest = self.lines[self.at]
            if at != column or key is None:
                break
            if key[0] in result:
                raise _UnsupportedError("repeated key")
            self.at += 1
            result[key[0]] = _value(rest) if rest else self._child(column)
        return result

    def _child(self, column: int) -> Json:
        if self.at == len(self.lines):
            return None
        at, key, rest = self.lines[self.at]
        if at > column:
            return self.node(at)
        return self._sequence(at) if at == column and key is None and rest == "-" else None

    def _sequence(self, column: int) -> list[Json]:
        result: list[Json] = []
        while self.at < len(self.lines):
            at, key, rest = self.lines[self.at]
            if at != column or key is not None or rest != "-":
                break
            self.at += 1
            if self.at == len(self.lines):
                raise _UnsupportedError("empty item")
            result.append(self.node(self.lines[self.at][0]))
        return result


def load(text: str) -> Json:
    """Return the data of a YAML text; an empty text gives None.

    Raises
    ------
    ValueError
        If the text is not YAML; the message holds the parser's position.
    """
    try:
        reader = _Reader(text)
        if not reader.lines:
            return None
        value = reader.node(reader.lines[0][0])
        if reader.at != len(reader.lines):
            raise _UnsupportedError("indentation")
    except _UnsupportedError:
        return _load_any(text)
    return value


@contextmanager
def reading(file: str) -> Generator[None]:
    """Let the error of a parser name the file.

    Raises
    ------
    PipelineError
        In the place of any ValueError.
    """
    try:
        yield
    except ValueError as error:
        raise PipelineError(
            f"{file} must be readable, but is not: {error}; mend it, or restore it from Git"
        ) from None


def _load_any(text: str) -> Json:
    from ruamel.yaml import YAML  # noqa: PLC0415 - slow to import, and rarely needed
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        return YAML(typ="safe").load(text)
    except YAMLError as error:
        raise ValueError(f"the text must be YAML, received {error}") from None
