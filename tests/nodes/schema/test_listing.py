from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from nodes.schema.listing import keys_of, matching, type_text
from nodes.schema.section import NO_EFFECT, Section


class Round(Section):
    """Round."""

    name: Literal["round"] = "round"
    """Round."""
    radius: float = 1.0
    """Its radius."""


class Square(Section):
    """Square."""

    name: Literal["square"]
    """Square."""
    side: PositiveInt
    """Its side,
    in millimetres."""


class Drawing(Section):
    """A drawing."""

    shapes: tuple[Annotated[Round | Square, Field(discriminator="name")], ...] = ()
    """What is drawn."""
    old: int = Field(3, json_schema_extra=NO_EFFECT)
    """Once something."""


def test_every_key_has_path_type_default_and_text():
    lines = [key.line for key in keys_of(Drawing)]
    assert lines == [
        "shapes[](round).name: round = round  # Round.",
        "shapes[](round).radius: number = 1.0  # Its radius.",
        "shapes[](square).name: square = required  # Square.",
        "shapes[](square).side: integer > 0 = required  # Its side, in millimetres.",
        "old: integer = 3  # Once something. [no effect]",
    ]
    assert keys_of(Drawing)[1].path == "shapes[].radius"


def test_a_section_is_picked_by_its_path_with_or_without_the_alternative():
    keys = keys_of(Drawing)
    assert len(matching(keys, "shapes")) == 4
    assert len(matching(keys, "shapes[](square)")) == 2
    assert [key.path for key in matching(keys, "old")] == ["old"]
    assert matching(keys, "sha") == []


def test_types_are_in_the_words_of_the_file():
    assert type_text(float | None) == "number | null"
    assert type_text(tuple[int, ...]) == "list of integer"
    assert type_text(dict[int | str, float]) == "map of integer | text to number"
    assert type_text(bool) == "true | false"
    assert type_text(Annotated[float, Field(ge=0.0, lt=1.0)]) == "number >= 0 < 1"
