"""`Frames`: a lazy sequence of structures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, overload

import numpy as np

from .layout import MISSING, Origin
from .nesting import Group, restrict, split_top
from .selection import checked_index, stacked

if TYPE_CHECKING:
    from ase import Atoms

    from .sources import Source

ITERATION_ATOMS: Final = 100_000
ITERATION_FRAMES: Final = 512

_REQUIRED: Final = object()


class Frames(Sequence["Atoms"]):
    """A lazy, immutable sequence of `ase.Atoms`.

    It is made of anything that holds structures: an `ase.Atoms`, a list (also of lists, to any
    depth), a generator, the path of a file that ASE reads or of an H5MD file, a glob such as
    ``"runs/**/*.xyz"`` (sorted), other `Frames`, an object with an attribute ``frames``, or a list
    that mixes these. Files are opened when their frames are first needed, XYZ and H5MD only as far
    as asked for; other formats are read as a whole, and spooled to a temporary file if they are
    long. Structures in memory are copied at once, and a generator is consumed at once.

    ``frames[2:9]`` and ``frames[[4, 1]]`` are views and read nothing. ``frames[0]`` and iteration
    give new `ase.Atoms`; to change them does not change the sequence, which never changes what it
    was made of. Columns such as `positions` or `energies` read that quantity alone.

    A path or a generator stands for the list of structures in it. In a list, what is not a single
    structure is a group: a file, a list, other `Frames`. `groups` gives them back; they survive
    views, sums and files.

    Two `Frames` are equal only if they are the same object. They can be shared by threads, and are
    sent to other processes as the path of the file or, in memory, as the frames themselves.

    Parameters
    ----------
    frames
        Where the structures are.
    read
        Options for files that `ase.io.iread` reads, for instance
        ``{"index": "::10", "format": "vasp-xml"}``; ``index`` holds for H5MD too.

    Raises
    ------
    FileNotFoundError
        A file does not exist, or a glob matches none.
    TypeError
        `frames` is none of these.

    Notes
    -----
    A column is one array, frames first, if all values have the same shape, else a list with one
    value per frame; text and other objects are always a list. Quantities are in the units of ASE:
    eV, Angstrom, eV/Angstrom, eV/Angstrom^3.
    """

    __slots__ = ("__weakref__", "_group", "_index", "_name", "_source")

    def __init__(self, frames: Any = (), *, read: Mapping[str, Any] | None = None) -> None:
        from .inputs import open_frames  # noqa: PLC0415

        found = open_frames(frames, dict(read or {}))
        self._source: Source = found._source
        self._index: np.ndarray | None = found._index
        self._group: Group | None = found._group
        self._name: str = found._name

    @classmethod
    def from_source(
        cls,
        source: Source,
        index: np.ndarray | None = None,
        *,
        group: Group | None = None,
        name: str = "",
    ) -> Self:
        """Frames of any `sources.Source`.

        Parameters
        ----------
        source
            Where the frames come from.
        index
            Frame numbers that are seen, int64 in any order; None for all.
        group
            Group that the frames are in, None for the top level of the source.
        name
            See `name`.
        """
        frames = cls.__new__(cls)
        frames._source, frames._index = source, index
        frames._group, frames._name = group, name
        return frames

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Frames of an H5MD file, which is looked for when the first frame is asked for."""
        from .reader import FileSource  # noqa: PLC0415

        return cls.from_source(FileSource(path), name=os.fspath(path))

    @classmethod
    def from_atoms(cls, frames: Iterable[Atoms]) -> Self:
        """Frames in memory: copies of the given ones."""
        from .sinks import MemorySink  # noqa: PLC0415

        sink = MemorySink()
        for atoms in frames:
            sink.append(atoms)
        return cls.from_source(sink.source())

    @classmethod
    def from_any(cls, frames: Any) -> Frames:
        """`Frames` as they are, or those of anything else."""
        return frames if isinstance(frames, Frames) else cls(frames)

    def __len__(self) -> int:
        return len(self._source if self._index is None else self._index)

    @overload
    def __getitem__(self, item: int) -> Atoms: ...
    @overload
    def __getitem__(self, item: slice | Sequence[int] | np.ndarray) -> Frames: ...
    def __getitem__(self, item: int | slice | Sequence[int] | np.ndarray) -> Atoms | Frames:
        if isinstance(item, slice):
            return self._view(self._numbers()[item])
        if not isinstance(item, int | np.integer):
            return self._view(self._numbers()[checked_index(item, len(self))])
        return self._source.read_frame(self._number(item))

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
        return _restore, (self._source, self._index, self._group, self._name)

    @property
    def name(self) -> str:
        """File the frames were read from; of another group its position; else ""."""
        return self._name

    def groups(self) -> Iterator[Frames]:
        """Entries of the top level: each group, and each other structure as `Frames` of one.

        Their `name` is the file of the group, or the position of the entry. Files are not opened.

        Examples
        --------
        >>> [len(group) for group in Frames([[a, b], c, "run.xyz"]).groups()]  # doctest: +SKIP
        [2, 1, 100]
        """
        position = 0
        for grouped, frames in self._top():
            if grouped:
                yield frames._named(frames._name or str(position))
                position += 1
                continue
            for number in frames._numbers():
                yield frames._view(np.array([number]))._named(str(position))
                position += 1

    def entries(self) -> Iterator[Atoms | Frames]:
        """Entries of the top level: `Frames` for each group, `ase.Atoms` for what is in none."""
        for grouped, frames in self._top():
            if grouped:
                yield frames
            else:
                yield from frames

    def parts(self) -> list[tuple[Frames, bool]] | None:
        """What these frames are strung together from, and which are groups; None for one source."""
        from .sources import ChainSource  # noqa: PLC0415

        if self._index is not None or not isinstance(self._source, ChainSource):
            return None
        return list(zip(self._source.parts, self._source.grouped, strict=True))

    def nesting(self) -> Group | None:
        """All groups as ranges of positions in this sequence, None if there are none."""
        if self._index is None:
            return self._source.nesting()
        return restrict(self._group or self._source.nesting(), self._index)

    def origin(self, position: int) -> tuple[str, int]:
        """Where a frame comes from: its file, or "memory", and its position there."""
        return self._source.origin(self._number(position))

    def arrange(self, results: Iterable[Any]) -> Iterator[Any]:
        """Results for each frame, in order, put into the groups of these frames.

        Parameters
        ----------
        results
            For each frame an `ase.Atoms`, a list of them, which becomes a group, or None; an
            iterator is used up only as far as needed.

        Yields
        ------
        Structures, and for a group an iterator of the same kind, which must be used up before the
        next is asked for, as `extend` of the writers does.

        Raises
        ------
        ValueError
            There are fewer results than frames.
        """
        rest = iter(results)
        for grouped, frames in self._top():
            if grouped:
                yield frames.arrange(rest)
                continue
            for _ in range(len(frames)):
                result = next(rest, _REQUIRED)
                if result is _REQUIRED:
                    raise ValueError(
                        "results must be one for each frame, received fewer; give None for frames "
                        "without a result"
                    )
                if result is not None:
                    yield result

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
        return stacked(values)

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

    def _top(self) -> Iterator[tuple[bool, Frames]]:
        """Groups, and runs of frames in no group: whether it is a group, and its frames."""
        parts = self.parts()
        if parts is not None:  # opens none of them
            for part, grouped in parts:
                if grouped:
                    yield True, part
                else:
                    yield from part._top()
            return
        numbers = self._numbers()
        for group, low, high in split_top(self._group or self._source.nesting(), numbers):
            if group is None:
                yield False, self._view(numbers[low:high])
            else:
                yield (
                    True,
                    Frames.from_source(
                        self._source, numbers[low:high], group=group, name=group.name
                    ),
                )

    def _view(self, index: np.ndarray) -> Frames:
        return Frames.from_source(self._source, index, group=self._group, name=self._name)

    def _named(self, name: str) -> Frames:
        return Frames.from_source(self._source, self._index, group=self._group, name=name)

    def _number(self, item: int | np.integer) -> int:
        size = len(self)
        if not -size <= item < size:
            raise IndexError(f"index must be from {-size} to {size - 1}, received {item}")
        place = int(item) % size
        return place if self._index is None else int(self._index[place])

    def _numbers(self) -> np.ndarray:
        return np.arange(len(self._source)) if self._index is None else self._index

    @staticmethod
    def _chain(*terms: Any) -> Frames:
        from .inputs import chain  # noqa: PLC0415

        kept = [term for term in terms if not (isinstance(term, list) and not term)]
        return chain([Frames.from_any(term) for term in kept])


def _restore(source: Source, index: np.ndarray | None, group: Group | None, name: str) -> Frames:
    return Frames.from_source(source, index, group=group, name=name)
