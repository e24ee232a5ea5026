"""Specs without their numbers.

Integrators, schedules and checks are frozen dataclasses that a compiled program is made for. Their
floats are taken out first and put back inside the program, as arrays: another friction or another
limit then needs no other program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

__all__ = ["put_numbers", "take_numbers"]


@dataclass(frozen=True)
class _Slot:
    """Where a number was."""

    index: int


def take_numbers(spec: Any) -> tuple[Any, tuple[float, ...]]:
    """Replace each float in nested dataclasses and tuples.

    Returns
    -------
    skeleton
        The same with a mark instead of each float; hashable if ``spec`` is.
    numbers : tuple of float
        In the order of the marks.
    """
    numbers: list[float] = []

    def take(value: Any) -> Any:
        if isinstance(value, float):
            numbers.append(value)
            return _Slot(len(numbers) - 1)
        return _each(value, take)

    return take(spec), tuple(numbers)


def put_numbers(skeleton: Any, numbers: Sequence[Any]) -> Any:
    """Undo `take_numbers` with ``numbers`` of any kind, also those of a program being traced."""

    def put(value: Any) -> Any:
        return numbers[value.index] if isinstance(value, _Slot) else _each(value, put)

    return put(skeleton)


def _each(value: Any, change: Any) -> Any:
    """Apply ``change`` to the entries of a tuple or the fields of a dataclass, unchecked."""
    if isinstance(value, tuple):
        entries = [change(entry) for entry in value]
        return type(value)(*entries) if hasattr(value, "_fields") else tuple(entries)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed = object.__new__(type(value))
    for field in fields(value):
        object.__setattr__(changed, field.name, change(getattr(value, field.name)))
    return changed
