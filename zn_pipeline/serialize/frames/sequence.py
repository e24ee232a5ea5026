"""`Frames`: a lazy sequence of structures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, overload

import numpy as np

from .layout import MISSING, Origin

if TYPE_CHECKING:
    from ase import Atoms

    from .sources import Source

ITERATION_ATOMS: Final = 100_000
ITERATION_FRAMES: Final = 512

_REQUIRED: Final = object()


class Frames(Sequence["Atoms"]):
    """A lazy, immutable sequence of `ase.Atoms`.

    The frames are in an H5MD file (written by this package, znh5md or another program), in memory,
    or are a view of either: ``frames[2:9]`` and ``frames[[4, 1]]`` read nothing. ``frames[0]`` and
    iteration give new `ase.Atoms`; to change them does not change the sequence. Columns such as
    `positions` or `energies` read that quantity alone.

    Two `Frames` are equal only if they are the same object. They can be shared by threads, and are
    sent to other processes as the path of the file or, in memory, as the frames themselves.

    Notes
    -----
    A column is one array, frames first, if all values have the same shape, else a list with one
    value per frame; text and other objects are always a list. Quantities are in the units of ASE:
    eV, Angstrom, eV/Angstrom, eV/Angstrom^3.
    """

    __slots__ = ("__weakref__", "_index", "_source")

    def __init__(self, source: Source, index: np.ndarray | None = None) -> None:
        self._source = source
        self._index = index

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Frames of an H5MD file, which is opened when the first frame is asked for."""
        from .reader import FileSource  # noqa: PLC0415

        return cls(FileSource(path))

    @classmethod
    def from_atoms(cls, frames: Iterable[Atoms]) -> Self:
        """Frames in memory: copies of the given ones."""
        from .sources import ListSource  # noqa: PLC0415

        return cls(ListSource(frames))

    @classmethod
    def from_any(cls, frames: Frames | str | os.PathLike[str] | Iterable[Atoms]) -> Frames:
        """`Frames` as they are, or those of a path or an iterable of `ase.Atoms`.

        Raises
        ------
        TypeError
            `frames` is none of these.
        """
        if isinstance(frames, Frames):
            return frames
        if isinstance(frames, str | os.PathLike):
            return cls.from_file(frames)
        if hasattr(frames, "get_positions") or not isinstance(frames, Iterable):
            raise TypeError(
                "frames must be Frames, the path of an H5MD file or a list of ase.Atoms, received "
                f"{type(frames).__name__}; put a single structure into a list"
            )
        return cls.from_atoms(frames)

    def __len__(self) -> int:
        return len(self._source if self._index is None else self._index)

    @overload
    def __getitem__(self, item: int) -> Atoms: ...
    @overload
    def __getitem__(self, item: slice | Sequence[int] | np.ndarray) -> Frames: ...
    def __getitem__(self, item: int | slice | Sequence[int] | np.ndarray) -> Atoms | Frames:
        if isinstance(item, slice):
            return Frames(self._source, self._numbers()[item])
        if not isinstance(item, int | np.integer):
            return Frames(self._source, self._numbers()[self._checked(item)])
        size = len(self)
        if not -size <= item < size:
            raise IndexError(f"index must be from {-size} to {size - 1}, received {item}")
        place = int(item) % size
        return self._source.read_frame(place if self._index is None else int(self._index[place]))

    def __iter__(self) -> Iterator[Atoms]:
        numbers = self._numbers()
        if not len(numbers):
            return
        step = max(1, ITERATION_ATOMS // max(1, int(self._source.n_atoms(numbers).mean())))
        step = min(step, ITERATION_FRAMES)
        for begin in range(0, len(numbers), step):
            yield from self._source.read_frames(numbers[begin : begin + step])

    def __reversed__(self) -> Iterator[Atoms]:
        return iter(self[::-1])

    def __add__(self, other: Iterable[Atoms]) -> Frames:
        return self._chain(self, other)

    def __radd__(self, other: Iterable[Atoms]) -> Frames:
        return self._chain(other, self)

    def __repr__(self) -> str:
        return f"<{len(self)} frames, {self._source!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._source, self._index)

    @property
    def n_atoms(self) -> np.ndarray:
        """Number of atoms, int64 (n_frames,)."""
        return self._source.n_atoms(self._numbers())

    @property
    def numbers(self) -> np.ndarray | list[np.ndarray]:
        """Atomic numbers, int64 (n_frames, n_atoms)."""
        return self.column("numbers", origin="atoms")

    @property
    def positions(self) -> np.ndarray | list[np.ndarray]:
        """Positions in Angstrom, (n_frames, n_atoms, 3)."""
        return self.column("positions", origin="atoms")

    @property
    def cells(self) -> np.ndarray:
        """Cell vectors in Angstrom, (n_frames, 3, 3)."""
        return np.asarray(self.column("cell", origin="atoms")).reshape(-1, 3, 3)

    @property
    def pbc(self) -> np.ndarray:
        """Periodicity along each cell vector, bool (n_frames, 3)."""
        return np.asarray(self.column("pbc", origin="atoms"), dtype=bool).reshape(-1, 3)

    @property
    def energies(self) -> np.ndarray:
        """Potential energies in eV, (n_frames,)."""
        return np.asarray(self.column("energy", origin="calc"))

    @property
    def forces(self) -> np.ndarray | list[np.ndarray]:
        """Forces in eV/Angstrom, (n_frames, n_atoms, 3)."""
        return self.column("forces", origin="calc")

    @property
    def stresses(self) -> np.ndarray | list[np.ndarray]:
        """Stresses in eV/Angstrom^3, (n_frames, 6) in the order xx, yy, zz, yz, xz, xy of ASE."""
        return self.column("stress", origin="calc")

    def keys(self) -> set[tuple[Origin, str]]:
        """All columns as (origin, name); of a view, also those that only other frames have."""
        return self._source.keys()

    def column(self, name: str, *, origin: Origin | None = None, default: Any = _REQUIRED) -> Any:
        """Values of one name in all frames.

        Parameters
        ----------
        name
            Key of ``Atoms.info``, ``Atoms.arrays`` or of the results of the calculator.
        origin
            "info", "arrays" or "calc", needed if the name is found in several of them.
        default
            Stands in for values that are absent.

        Returns
        -------
        numpy.ndarray or list
            One array if all values are numbers of the same shape, else a list.

        Raises
        ------
        ValueError
            The name is unknown or ambiguous, or a frame lacks it and no `default` is given.
        """
        where = origin or self._find(name, may_be_absent=default is not _REQUIRED)
        values = self.raw_column(where, name) if where else [MISSING] * len(self)
        if isinstance(values, np.ndarray):
            return values
        absent = [number for number, value in enumerate(values) if value is MISSING]
        if absent and default is _REQUIRED:
            raise ValueError(
                f"{name!r} must be present in every frame, received {len(absent)} of {len(self)} "
                f"frames without it, the first is frame {absent[0]} ({self._source!r}); compute "
                f"it first, leave these frames out, or fill in with column({name!r}, default=...)"
            )
        for number in absent:
            values[number] = default
        return _stacked(values)

    def raw_column(self, origin: Origin, name: str) -> np.ndarray | list[Any]:
        """Values as the source holds them, array or list; absent ones are `MISSING`."""
        return self._source.read_column(origin, name, self._numbers())

    def _find(self, name: str, *, may_be_absent: bool) -> Origin | None:
        keys = self.keys() - {("atoms", "extras")} if len(self) else set()
        origins: list[Origin] = sorted({origin for origin, key in keys if key == name})
        if len(origins) > 1:
            raise ValueError(
                f"name must be unique, received {name!r}, which is in {' and in '.join(origins)}; "
                f"choose with column({name!r}, origin={origins[0]!r})"
            )
        if not origins and len(self) and not may_be_absent:
            known = ", ".join(sorted({key for _, key in keys}))
            raise ValueError(f"name must be one of {known}, received {name!r} ({self._source!r})")
        return origins[0] if origins else None

    def _numbers(self) -> np.ndarray:
        return np.arange(len(self._source)) if self._index is None else self._index

    def _checked(self, item: Sequence[int] | np.ndarray) -> np.ndarray:
        index = np.asarray(item)
        if not index.size:
            return np.zeros(0, dtype=np.int64)
        size = len(self)
        if index.ndim != 1 or index.dtype.kind not in "iub":
            raise TypeError(
                "index must be an integer, a slice, or a list of integers or of one bool per "
                f"frame, received {item!r}"
            )
        if index.dtype.kind == "b":
            if len(index) != size:
                raise IndexError(f"mask must have {size} entries, received {len(index)}")
            return np.flatnonzero(index)
        if index.min() < -size or index.max() >= size:
            raise IndexError(f"indices must be from {-size} to {size - 1}, received {item!r}")
        return np.where(index < 0, index + size, index)

    @staticmethod
    def _chain(*terms: Any) -> Frames:
        from .sources import ChainSource  # noqa: PLC0415

        parts: list[Frames] = []
        for term in terms:
            frames = Frames.from_any(term)
            if isinstance(frames._source, ChainSource) and frames._index is None:
                parts += frames._source.parts
            elif isinstance(term, Frames) or len(frames):
                parts.append(frames)
        return parts[0] if len(parts) == 1 else Frames(ChainSource(tuple(parts)))


def _stacked(values: list[Any]) -> np.ndarray | list[Any]:
    """One array if all values are numbers or numeric arrays of one shape, else the list itself."""
    if not values:
        return np.zeros(0)
    if all(isinstance(value, int | float | complex | np.number | np.bool_) for value in values):
        return np.array(values)
    if not all(isinstance(value, np.ndarray) and value.dtype.kind in "biufc" for value in values):
        return values
    return np.stack(values) if len({value.shape for value in values}) == 1 else values
