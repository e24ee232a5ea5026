"""Frames that are in memory, and frames strung together from several places."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from ase import Atoms

from .layout import MISSING, Origin
from .nesting import Group
from .snapshot import copy_valid, take_apart

if TYPE_CHECKING:
    from .sequence import Frames

MEMORY: Final = "memory"
"""What `Frames.origin` tells of frames that are in no file."""

COLUMN_FRAMES: Final = 512


class Source(Protocol):
    """Where `Frames` come from; frame numbers are int64 arrays without negative entries."""

    def __len__(self) -> int: ...

    def n_atoms(self, frames: np.ndarray) -> np.ndarray:
        """Number of atoms of `frames`, int64."""
        ...

    def read_frame(self, frame: int) -> Atoms:
        """One frame, independent of the source."""
        ...

    def read_frames(self, frames: np.ndarray) -> list[Atoms]:
        """Several frames, in the order asked for."""
        ...

    def keys(self) -> set[tuple[Origin, str]]:
        """Where in `ase.Atoms` values are, and under which names."""
        ...

    def read_column(self, origin: Origin, key: str, frames: np.ndarray) -> np.ndarray | list[Any]:
        """Values of one name; absent ones are `MISSING`."""
        ...

    def nesting(self) -> Group | None:
        """Which frames belong together, None if all stand by themselves."""
        ...

    def origin(self, frame: int) -> tuple[str, int]:
        """File of a frame, or `MEMORY`, and its position there."""
        ...


class WholeFrames:
    """Base of sources that read frames as a whole: columns are taken out of the frames."""

    def __len__(self) -> int:
        raise NotImplementedError

    def read_frames(self, frames: np.ndarray) -> list[Atoms]:
        """Several frames, in the order asked for."""
        raise NotImplementedError

    def read_frame(self, frame: int) -> Atoms:
        """One frame."""
        return self.read_frames(np.array([frame]))[0]

    def keys(self) -> set[tuple[Origin, str]]:
        """Where in `ase.Atoms` values are, and under which names; reads all frames once."""
        return self._keys

    @cached_property
    def _keys(self) -> set[tuple[Origin, str]]:
        everything = np.arange(len(self))
        return {
            (origin, key)
            for atoms in self._stream(everything)
            for origin, key, _ in take_apart(atoms)
        }

    def read_column(self, origin: Origin, key: str, frames: np.ndarray) -> list[Any]:
        """Values of one name; absent ones are `MISSING`."""
        return [lookup(atoms, origin, key) for atoms in self._stream(frames)]

    def _stream(self, frames: np.ndarray) -> Iterator[Atoms]:
        for begin in range(0, len(frames), COLUMN_FRAMES):
            yield from self.read_frames(frames[begin : begin + COLUMN_FRAMES])


class ListSource:
    """Frames in memory, which it takes over: nobody else may hold them."""

    def __init__(self, frames: list[Atoms], nesting: Group | None = None) -> None:
        self._frames = frames
        self._nesting = nesting

    def __len__(self) -> int:
        return len(self._frames)

    def __repr__(self) -> str:
        return "in memory"

    def n_atoms(self, frames: np.ndarray) -> np.ndarray:
        """Number of atoms of `frames`, int64."""
        return np.array([len(self._frames[frame]) for frame in frames], dtype=np.int64)

    def read_frame(self, frame: int) -> Atoms:
        """Copy of one frame."""
        return copy_valid(self._frames[frame])

    def read_frames(self, frames: np.ndarray) -> list[Atoms]:
        """Copies of several frames, in the order asked for."""
        return [self.read_frame(frame) for frame in frames.tolist()]

    def keys(self) -> set[tuple[Origin, str]]:
        """Where in `ase.Atoms` values are, and under which names."""
        return {(origin, key) for atoms in self._frames for origin, key, _ in take_apart(atoms)}

    def read_column(self, origin: Origin, key: str, frames: np.ndarray) -> list[Any]:
        """Copies of the values of one name; absent ones are `MISSING`."""
        return [deepcopy(lookup(self._frames[frame], origin, key)) for frame in frames.tolist()]

    def nesting(self) -> Group | None:
        """Which frames belong together."""
        return self._nesting

    def origin(self, frame: int) -> tuple[str, int]:
        """`MEMORY`, and the position in the list."""
        return MEMORY, frame


def lookup(atoms: Atoms, origin: Origin, key: str) -> Any:
    """One value of a frame, or `MISSING`; not copied."""
    if origin == "atoms":
        return {"cell": atoms.cell.array, "pbc": atoms.pbc, **atoms.arrays}[key]
    if origin == "calc":
        return atoms.calc.results.get(key, MISSING) if atoms.calc is not None else MISSING
    return (atoms.arrays if origin == "arrays" else atoms.info).get(key, MISSING)


class ChainSource:
    """Several `Frames` one after the other.

    Parameters
    ----------
    parts
        What is strung together.
    grouped
        For each part, whether it is a group of its own, or stands for the entries it has.
    """

    def __init__(self, parts: tuple[Frames, ...], grouped: tuple[bool, ...]) -> None:
        self.parts = parts
        self.grouped = grouped

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __repr__(self) -> str:
        return f"from {len(self.parts)} parts"

    def n_atoms(self, frames: np.ndarray) -> np.ndarray:
        """Number of atoms of `frames`, int64."""
        result = np.zeros(len(frames), dtype=np.int64)
        for part, targets, rows in self._split(frames):
            result[targets] = part[rows].n_atoms
        return result

    def read_frame(self, frame: int) -> Atoms:
        """One frame."""
        part, row = self._locate(frame)
        return part[row]

    def read_frames(self, frames: np.ndarray) -> list[Atoms]:
        """Several frames, in the order asked for."""
        result: list[Any] = [None] * len(frames)
        for part, targets, rows in self._split(frames):
            found = [part[int(rows[0])]] if len(rows) == 1 else part[rows]
            for target, atoms in zip(targets.tolist(), found, strict=True):
                result[target] = atoms
        return result

    def keys(self) -> set[tuple[Origin, str]]:
        """Where in `ase.Atoms` values are, and under which names."""
        return set().union(*(part.keys() for part in self.parts))

    def read_column(self, origin: Origin, key: str, frames: np.ndarray) -> list[Any]:
        """Values of one name; absent ones are `MISSING`."""
        result: list[Any] = [MISSING] * len(frames)
        for part, targets, rows in self._split(frames):
            values = part[rows].raw_column(origin, key)
            for target, value in zip(targets.tolist(), values, strict=True):
                result[target] = value
        return result

    def nesting(self) -> Group | None:
        """Which frames belong together."""
        groups: list[Group] = []
        for part, grouped, start in zip(self.parts, self.grouped, self._starts, strict=False):
            inner = part.nesting()
            within = inner.shifted(int(start)).groups if inner else ()
            if grouped:
                groups.append(Group(int(start), int(start) + len(part), within, part.name))
            else:
                groups += within
        return Group(0, len(self), tuple(groups)) if groups else None

    def origin(self, frame: int) -> tuple[str, int]:
        """File of a frame, or `MEMORY`, and its position there."""
        part, row = self._locate(frame)
        return part.origin(row)

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *map(len, self.parts)])

    def _locate(self, frame: int) -> tuple[Frames, int]:
        number = int(np.searchsorted(self._starts, frame, side="right")) - 1
        return self.parts[number], frame - int(self._starts[number])

    def _split(self, frames: np.ndarray) -> list[tuple[Frames, np.ndarray, np.ndarray]]:
        """For each part that is needed: the part, places in the answer, rows of the part."""
        owner = np.searchsorted(self._starts, frames, side="right") - 1
        order = np.argsort(owner, kind="stable")
        numbers, firsts = np.unique(owner[order], return_index=True)
        return [
            (self.parts[number], targets, frames[targets] - self._starts[number])
            for number, targets in zip(
                numbers.tolist(), np.split(order, firsts[1:]) if len(order) else [], strict=True
            )
        ]
