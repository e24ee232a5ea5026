from typing import Literal

import pytest
from pydantic import Field, ValidationError

from nodes.schema.section import NO_EFFECT, Section, sections_of, tag_of


class Wheel(Section):
    """A wheel."""

    name: Literal["wheel"] = "wheel"
    """What it is."""
    size: float = 1.0
    """How large."""
    colour: str = Field("black", json_schema_extra=NO_EFFECT)
    """Nobody cares."""


class Car(Section):
    """A car."""

    spare: Wheel | None = None
    """One more."""
    wheels: tuple[Wheel, ...] = ()
    """All others."""


def test_settings_do_not_change_and_have_no_other_keys():
    wheel = Wheel(size=2)
    with pytest.raises(ValidationError, match="frozen"):
        wheel.size = 3.0
    with pytest.raises(ValidationError, match="Extra inputs"):
        Wheel(weight=2)
    with pytest.raises(ValidationError, match="finite"):
        Wheel(size=float("nan"))


def test_keys_without_effect_are_found_wherever_they_stand():
    car = Car(spare=Wheel(colour="red"), wheels=(Wheel(), Wheel(colour="blue", size=2.0)))
    assert car.without_effect() == ["spare.colour", "wheels.1.colour"]
    assert Car(spare=Wheel(colour="black")).without_effect() == []


def test_alternatives_are_found_with_their_tags():
    annotation = Car.model_fields["wheels"].annotation
    assert list(sections_of(annotation)) == [Wheel]
    assert list(sections_of(Wheel | None)) == [Wheel]
    assert list(sections_of(int | str)) == []
    assert tag_of(Wheel) == ("name", "wheel")
    assert tag_of(Car) is None
