from dataclasses import dataclass
from typing import NamedTuple

import pytest

from nodes.numerics.md.spec_numbers import put_numbers, take_numbers


@dataclass(frozen=True)
class Inner:
    limit: float
    count: int = 3


@dataclass(frozen=True)
class Outer:
    parts: tuple[Inner, ...]
    name: str = "outer"

    def __post_init__(self):
        if any(part.limit < 0 for part in self.parts):
            raise ValueError("limits must not be negative")


class Pair(NamedTuple):
    first: object
    second: object


SPEC = Pair(Outer((Inner(1.5), Inner(2.5, 4))), (0.5, None, True))


def test_numbers_come_out_in_order_and_go_back():
    skeleton, numbers = take_numbers(SPEC)
    assert numbers == (1.5, 2.5, 0.5)
    assert put_numbers(skeleton, numbers) == SPEC


def test_other_numbers_have_the_same_skeleton_and_other_whole_numbers_do_not():
    skeleton, _ = take_numbers(SPEC)
    other, _ = take_numbers(SPEC._replace(first=Outer((Inner(7.0), Inner(8.0, 4)))))
    assert (skeleton, hash(skeleton)) == (other, hash(other))
    longer, _ = take_numbers(SPEC._replace(first=Outer((Inner(1.5, 5), Inner(2.5, 4)))))
    assert skeleton != longer


def test_numbers_are_not_checked_again():
    skeleton, _ = take_numbers(SPEC)
    assert put_numbers(skeleton, ("a", "b", "c")).first.parts[0].limit == "a"
    with pytest.raises(ValueError, match="must not be negative"):
        Outer((Inner(-1.0),))
