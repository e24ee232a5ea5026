"""Section: a group of settings, as a pydantic model."""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

__all__ = ["NO_EFFECT", "Section", "sections_of", "tag_of"]

NO_EFFECT: JsonDict = {"no_effect": True}
"""For ``Field(json_schema_extra=...)`` of keys that are read for the sake of old files alone."""


class Section(BaseModel):
    """Settings that cannot be changed once they are made; unknown keys are errors.

    The text below a field is its description.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    def without_effect(self, prefix: str = "") -> list[str]:
        """Return the paths of keys that were given but change nothing."""
        found: list[str] = []
        for name in sorted(self.model_fields_set):
            field, value = type(self).model_fields[name], getattr(self, name)
            path = f"{prefix}{name}"
            if has_no_effect(field) and value != field.default:
                found.append(path)
            entries = value if isinstance(value, list | tuple) else [value]
            for row, entry in enumerate(entries):
                place = f"{path}.{row}" if isinstance(value, list | tuple) else path
                if isinstance(entry, Section):
                    found += entry.without_effect(f"{place}.")
        return found


def has_no_effect(field: FieldInfo) -> bool:
    """Whether a key is read but changes nothing."""
    return field.json_schema_extra == NO_EFFECT


def sections_of(annotation: Any) -> Iterator[type[Section]]:
    """Yield the classes of settings that a field may hold, itself or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, list, tuple, Annotated):
        for part in get_args(annotation):
            yield from sections_of(part)


def tag_of(section: type[Section]) -> tuple[str, str] | None:
    """Return the field that tells a section from its alternatives, and its value."""
    for name in ("name", "kind", "processing"):
        field = section.model_fields.get(name)
        if field is not None and get_origin(field.annotation) is Literal:
            values = get_args(field.annotation)
            if len(values) == 1:
                return name, values[0]
    return None
