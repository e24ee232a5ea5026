"""Every key of a config, with its type, default and meaning."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from nodes.schema.section import Section, has_no_effect, sections_of, tag_of

__all__ = ["Key", "keys_of", "matching", "type_text"]

REQUIRED = "required"


@dataclass(frozen=True)
class Key:
    """One key that holds a value.

    Attributes
    ----------
    path : where it stands, such as ``model.basis.n_basis``; ``[]`` follows a list
    variant : the same with the alternatives it belongs to: ``model(gmnn).basis(bessel).n_basis``
    type, default, text : as texts; the default may be "required"
    effect : False for keys that are read for the sake of old files alone
    """

    path: str
    variant: str
    type: str
    default: str
    text: str
    effect: bool = True

    @property
    def line(self) -> str:
        """All of it in one line."""
        note = "" if self.effect else " [no effect]"
        return f"{self.variant}: {self.type} = {self.default}  # {self.text}{note}"


def keys_of(section: type[Section]) -> list[Key]:
    """Return every key that holds a value, in the order of the file."""
    return list(_walk(section, "", ""))


def matching(keys: list[Key], section: str) -> list[Key]:
    """Return the keys at or below a path such as ``model.basis``; the alternative may be named."""

    def inside(path: str) -> bool:
        return path == section or path.startswith((f"{section}.", f"{section}[", f"{section}("))

    return [key for key in keys if inside(key.path) or inside(key.variant)]


def _walk(section: type[Section], path: str, variant: str) -> Iterator[Key]:
    for name, field in section.model_fields.items():
        inner = list(sections_of(field.annotation))
        many = "[]" if _is_list(field.annotation) else ""
        for kind in inner:
            tag = tag_of(kind)
            label = f"({tag[1]})" if tag else ""
            yield from _walk(kind, f"{path}{name}{many}.", f"{variant}{name}{many}{label}.")
        if not inner:
            yield Key(
                f"{path}{name}", f"{variant}{name}", type_text(field.annotation, field.metadata),
                default_text(field), " ".join((field.description or "").split()),
                not has_no_effect(field),
            )  # fmt: skip


def default_text(field: FieldInfo) -> str:
    """Return a default as YAML would write it in one line."""
    if field.is_required():
        return REQUIRED
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple):
        value = list(value)
    return str(value)


def type_text(annotation: Any, metadata: Any = ()) -> str:
    """Return a type in the words of a YAML file."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_text(arguments[0], arguments[1:])
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin in (Union, types.UnionType):
        return " | ".join(type_text(part) for part in arguments)
    if origin in (list, tuple):
        return f"list of {type_text(arguments[0])}"
    if origin is dict:
        return f"map of {type_text(arguments[0])} to {type_text(arguments[1])}"
    names = {type(None): "null", str: "text", float: "number", int: "integer", bool: "true | false"}
    return names.get(annotation, "any value") + "".join(_bounds(metadata))


def _bounds(metadata: Any) -> Iterator[str]:
    signs = {Gt: (">", "gt"), Ge: (">=", "ge"), Lt: ("<", "lt"), Le: ("<=", "le")}
    for entry in metadata:
        for bound in getattr(entry, "metadata", [entry]):
            if type(bound) in signs:
                sign, attribute = signs[type(bound)]
                yield f" {sign} {getattr(bound, attribute):g}"


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return any(_is_list(part) for part in get_args(annotation))
    return get_origin(annotation) in (list, tuple)
