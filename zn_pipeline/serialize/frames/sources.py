"""Frames that are in memory, and frames strung together from several places."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from ase import Atoms

from .layout import MISSING, Origin
from .snapshot import copy_frame, take_apart

if TYPE_CHECKING:
    from .sequence import Frames


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


class ListSource:
    """Copies of frames, kept in memory."""

    def __init__(self, frames: Iterable[Atoms]) -> None:
        self._frames: list[Atoms] = []
        for number, atoms in enumerate(frames):
            try:
                take_apart(atoms)
                self._frames.append(copy_frame(atoms))
            except (TypeError, ValueError) as error:
                raise type(error)(f"frame {number}: {error}") from error

    def __len__(self) -> int:
        return len(self._frames)

    def __repr__(self) -> str:
        return "in memory"

    def n_atoms(self, frames: np.ndarray) -> np.ndarray:
        """Number of atoms of `frames`, int64."""
        return np.array([len(self._frames[frame]) for frame in frames], dtype=np.int64)

    def read_frame(self, frame: int) -> Atoms:
        """Copy of one frame."""
        return copy_frame(self._frames[frame])

    def read_frames(self, frames: np.ndarray) -> list[Atoms]:
        """Copies of several frames, in the order asked for."""
        return [self.read_frame(frame) for frame in frames.tolist()]

    def keys(self) -> set[tuple[Origin, str]]:
        """Where in `ase.Atoms` values are, and under which names."""
        return {(origin, key) for atoms in self._frames for origin, key, _ in take_apart(atoms)}

    def read_column(self, origin: Origin, key: str, frames: np.ndarray) -> list[Any]:
        """Copies of the values of one name; absent ones are `MISSING`."""
        return [deepcopy(_lookup(self._frames[frame], origin, key)) for frame in frames.tolist()]


def _lookup(atoms: Atoms, origin: Origin, key: str) -> Any:
    if origin == "atoms":
        return {"cell": atoms.cell.array, "pbc": atoms.pbc, **atoms.arrays}[key]
    if origin == "calc":
        return atoms.calc.results.get(key, MISSING) if atoms.calc is not None else MISSING
    return (atoms.arrays if origin == "arrays" else atoms.info).get(key, MISSING)


class ChainSource:
    """Several `Frames` one after the other."""

    def __init__(self, parts: tuple[Frames, ...]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return sum(map(len, self.parts))

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
        return self.read_frames(np.array([frame]))[0]

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

    def _split(self, frames: np.ndarray) -> list[tuple[Frames, np.ndarray, np.ndarray]]:
        """For each part that is needed: the part, places in the answer, rows of the part."""
        starts = np.cumsum([0, *map(len, self.parts)])
        owner = np.searchsorted(starts, frames, side="right") - 1
        return [
            (self.parts[number], targets, frames[targets] - starts[number])
            for number in np.unique(owner).tolist()
            for targets in (np.flatnonzero(owner == number),)
        ]
