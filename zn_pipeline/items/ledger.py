"""What is known of each unit of a map, in a few bytes each: a map may have millions of units."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

from zn_pipeline.items.records import Place

_KEY: Final = 20
_STRUCTURE: Final = 16


class Ledger:
    """Key, hash of the structure and, once there is a result, its place, for each unit.

    Parameters
    ----------
    size : number of units
    """

    def __init__(self, size: int) -> None:
        self._keys = bytearray(_KEY * size)
        self._structures = bytearray(_STRUCTURE * size)
        self._segments = array("i", [-1]) * size
        self._offsets = array("q", [0]) * size
        self._sizes = array("q", [0]) * size
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._segments)

    def note(self, unit: int, key: bytes, structure: bytes) -> None:
        """Note what a unit waits for."""
        self._keys[_KEY * unit : _KEY * (unit + 1)] = key
        self._structures[_STRUCTURE * unit : _STRUCTURE * (unit + 1)] = structure

    def settle(self, unit: int, key: bytes, place: Place | None) -> None:
        """Note key and place of the result of a unit; a failure has no place."""
        self._keys[_KEY * unit : _KEY * (unit + 1)] = key
        if place is None:
            return
        segment, self._offsets[unit], self._sizes[unit] = place
        number = self._numbers.get(segment)
        if number is None:
            number = self._numbers[segment] = len(self._names)
            self._names.append(segment)
        self._segments[unit] = number

    def key(self, unit: int) -> bytes:
        """Return the key that a unit has a result for or waits for."""
        return bytes(self._keys[_KEY * unit : _KEY * (unit + 1)])

    def structure(self, unit: int) -> bytes:
        """Return the hash of the structure of a unit that waits."""
        return bytes(self._structures[_STRUCTURE * unit : _STRUCTURE * (unit + 1)])

    def place(self, unit: int) -> Place | None:
        """Return where the result of a unit is, None if there is none."""
        number = self._segments[unit]
        if number < 0:
            return None
        return Place(self._names[number], self._offsets[unit], self._sizes[unit])

    def keys(self) -> Iterator[bytes]:
        """Yield the keys of the results in order, empty where there is none."""
        for unit, number in enumerate(self._segments):
            yield b"" if number < 0 else self.key(unit)
