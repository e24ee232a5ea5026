"""Frames of one H5MD file, read as far as they are asked for.

The file is opened for each read and closed again: nothing is held between reads but the table of
columns and the last block, so any number of files can be in use, from any number of threads, and
a file can be replaced under its readers, who are told.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import h5py
import numpy as np
from ase import Atoms

from .exact import exact_columns, exact_n_atoms
from .foreign import foreign_boundary, foreign_columns, foreign_n_atoms
from .layout import MISSING, NESTING, PARTICLES, SCHEMA, H5File, Origin
from .nesting import Group, parse_nesting
from .snapshot import assemble

SLAB_NUMBERS: Final = 2**20
"""Numbers of a per-atom vector that are read in one go, if that is more than one frame."""

MAX_ROWS: Final = 2**14
"""Frames that are read in one go at most."""


class Column(Protocol):
    """What the reader asks of a column; see `exact.ExactColumn` and `foreign.ForeignColumn`."""

    @property
    def origin(self) -> Origin: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102
    def load(  # noqa: D102
        self, file: H5File, low: int, high: int, n_atoms: np.ndarray
    ) -> Any: ...
    def value(self, rows: Any, row: int, frame: int, n_atoms: int) -> Any: ...  # noqa: D102
    def uniform(  # noqa: D102
        self, frames: np.ndarray, n_atoms: np.ndarray
    ) -> tuple[np.dtype, tuple[int, ...]] | None: ...


@dataclass(frozen=True, slots=True)
class Table:
    """What is known of a file before any values are read."""

    identity: tuple[int, int, int]
    size: int
    columns: list[Column]
    n_frames: int
    block: int
    n_atoms: np.ndarray
    boundary: np.ndarray | None
    """Periodicity of all frames where the file has no column for it."""
    exact: bool
    nesting: Group | None = None

    def rows_at_once(self, low: int) -> int:
        """How many frames from `low` on to read in one go, at least one."""
        widths = 3 * np.maximum.accumulate(self.n_atoms[low : low + MAX_ROWS])
        fitting = np.count_nonzero(widths * np.arange(1, len(widths) + 1) <= SLAB_NUMBERS)
        rows = max(1, int(fitting))
        excess = (low + rows) % self.block  # end where a chunk ends: none is read twice
        return rows - excess if excess < rows else rows

    def same_content(self, other: Table) -> bool:
        """Whether another state of the file holds the same frames, as far as the tables tell."""
        return (
            self.size == other.size
            and [(c.origin, c.key) for c in self.columns]
            == [(c.origin, c.key) for c in other.columns]
            and np.array_equal(self.n_atoms, other.n_atoms)
        )


class Run(NamedTuple):
    """Neighbouring rows that are read together."""

    low: int
    high: int
    targets: np.ndarray
    """Places of the rows in the answer."""
    rows: np.ndarray
    """Rows that are wanted, counted from `low`."""


class FileSource:
    """The frames of one file; see `Frames.from_file`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._table: Table | None = None
        self._last_block: tuple[int, int, list[Any]] | None = None

    def __len__(self) -> int:
        return self._read_table().n_frames

    def __repr__(self) -> str:
        return f"path={str(self.path)!r}"

    def __reduce__(self) -> tuple[type[FileSource], tuple[Path]]:
        return FileSource, (self.path,)

    def n_atoms(self, frames: np.ndarray) -> np.ndarray:
        """Number of atoms of `frames`, int64."""
        return self._read_table().n_atoms[frames]

    def read_frame(self, frame: int) -> Atoms:
        """One frame; its neighbours in the file are kept as they come, for the next call."""
        table = self._read_table()
        low, _, loaded = self._block_with(table, frame)
        return self._build(table, loaded, frame - low, frame)

    def read_frames(self, frames: np.ndarray) -> list[Atoms]:
        """Several frames, in the order asked for."""
        table = self._read_table()
        if len(frames) and frames.min() // table.block == frames.max() // table.block:
            low, high, loaded = self._block_with(table, int(frames[0]))
            if low <= frames.min() and frames.max() < high:
                return [self._build(table, loaded, frame - low, frame) for frame in frames.tolist()]
        result: list[Any] = [None] * len(frames)
        with self._open() as file:
            for run in self._runs(table, frames):
                loaded = self._load(file, table, run.low, run.high)
                for target, row in zip(run.targets.tolist(), run.rows.tolist(), strict=True):
                    result[target] = self._build(table, loaded, row, run.low + row)
        return result

    def _block_with(self, table: Table, frame: int) -> tuple[int, int, list[Any]]:
        """Block of the file around a frame, or the frame alone if blocks are too large."""
        last = self._last_block
        if last is not None and last[0] <= frame < last[1]:
            return last
        low = frame - frame % table.block
        high = min(low + table.block, table.n_frames)
        if table.rows_at_once(low) < high - low:
            low, high = frame, frame + 1
        with self._open() as file:
            last = self._last_block = (low, high, self._load(file, table, low, high))
        return last

    def nesting(self) -> Group | None:
        """Which frames belong together."""
        return self._read_table().nesting

    def origin(self, frame: int) -> tuple[str, int]:
        """The file, and the position in it."""
        return str(self.path), frame

    def keys(self) -> set[tuple[Origin, str]]:
        """Where in `ase.Atoms` values are, and under which names."""
        table = self._read_table()
        found: set[tuple[Origin, str]] = {(c.origin, c.key) for c in table.columns}
        if not table.exact and ("arrays", "velocities") in found:
            found.add(("arrays", "momenta"))
        found.add(("atoms", "pbc"))
        return found

    def read_column(self, origin: Origin, key: str, frames: np.ndarray) -> np.ndarray | list[Any]:
        """Values of one column: an array if they are known to be of one shape, else a list.

        Absent values are `MISSING`.
        """
        table = self._read_table()
        columns = [c for c in table.columns if (c.origin, c.key) == (origin, key)]
        if not columns and (origin, key) in self.keys() and key == "momenta":
            return [atoms.arrays.get(key, MISSING) for atoms in self.read_frames(frames)]
        if not columns and key == "pbc" and table.boundary is not None:
            return np.tile(table.boundary, (len(frames), 1))
        with self._open() as file:
            if len(columns) == 1:
                uniform = columns[0].uniform(frames, table.n_atoms)
                if uniform is not None:
                    return self._read_array(file, table, columns[0], frames, *uniform)
            values: list[Any] = [MISSING] * len(frames)
            for column in columns:
                for run in self._runs(table, frames):
                    n_atoms = table.n_atoms[run.low : run.high]
                    rows = column.load(file, run.low, run.high, n_atoms)
                    for target, row in zip(run.targets.tolist(), run.rows.tolist(), strict=True):
                        value = column.value(rows, row, run.low + row, int(n_atoms[row]))
                        if value is not MISSING:
                            values[target] = value
        return values

    def _read_array(
        self,
        file: H5File,
        table: Table,
        column: Column,
        frames: np.ndarray,
        dtype: np.dtype,
        shape: tuple[int, ...],
    ) -> np.ndarray:
        result = np.empty((len(frames), *shape), dtype=dtype)
        inner = tuple(map(slice, shape))
        for run in self._runs(table, frames):
            rows = column.load(file, run.low, run.high, table.n_atoms[run.low : run.high])
            result[run.targets] = rows[(run.rows, *inner)]
        return result

    def _load(self, file: H5File, table: Table, low: int, high: int) -> list[Any]:
        n_atoms = table.n_atoms[low:high]
        return [column.load(file, low, high, n_atoms) for column in table.columns]

    def _build(self, table: Table, loaded: list[Any], row: int, frame: int) -> Atoms:
        n_atoms = int(table.n_atoms[frame])
        velocities: np.ndarray | None = None
        values: list[tuple[Origin, str, Any]] = []
        if table.boundary is not None:
            values.append(("atoms", "pbc", table.boundary))
        for column, rows in zip(table.columns, loaded, strict=True):
            value = column.value(rows, row, frame, n_atoms)
            if value is MISSING:
                continue
            if not table.exact and (column.origin, column.key) == ("arrays", "velocities"):
                velocities = value
            else:
                values.append((column.origin, column.key, value))
        return assemble(values, velocities)

    def _runs(self, table: Table, frames: np.ndarray) -> Iterator[Run]:
        """Split `frames`, in any order, into stretches of the file, none of them too large."""
        order = np.argsort(frames, kind="stable")
        ordered = frames[order]
        begin = 0
        for end in [*(np.flatnonzero(np.diff(ordered) > table.block) + 1).tolist(), len(ordered)]:
            while begin < end:
                low = int(ordered[begin])
                limit = low + table.rows_at_once(low)
                stop = begin + int(np.searchsorted(ordered[begin:end], limit))
                high = int(ordered[stop - 1]) + 1
                yield Run(low, high, order[begin:stop], ordered[begin:stop] - low)
                begin = stop

    def _read_table(self) -> Table:
        if self._table is None:
            with self._open():
                pass
        assert self._table is not None
        return self._table

    @contextmanager
    def _open(self) -> Generator[H5File]:
        try:
            file = h5py.File(self.path, "r")
        except FileNotFoundError:
            raise FileNotFoundError(
                f"frames must be read from an existing file, received {self.path}; "
                "run what produces it first"
            ) from None
        except OSError as error:
            raise ValueError(
                f"frames must be read from an H5MD file, received {self.path} ({error}); read "
                "other formats with ase.io.read(path, ':') and pass the list"
            ) from error
        with file:
            status = os.fstat(file.id.get_vfd_handle())
            identity = (status.st_dev, status.st_ino, status.st_mtime_ns)
            if self._table is None or self._table.identity != identity:
                table = _table(file, identity, status.st_size)
                if self._table is not None and not self._table.same_content(table):
                    raise ValueError(
                        f"{self.path} must not change while it is read, but it holds other frames "
                        "than when it was opened; call Frames.from_file(path) again"
                    )
                self._table = table
            yield file


def _table(file: H5File, identity: tuple[int, int, int], size: int) -> Table:
    columns: list[Column] = []
    if SCHEMA in file:
        exact, n_frames, block = exact_columns(file)
        species = file.get(f"{PARTICLES}/species/value")
        if species is None or len(species) == n_frames:  # else another program has appended
            columns += exact
            n_atoms = exact_n_atoms(file)
            nesting = parse_nesting(file[NESTING][()].decode()) if NESTING in file else None
            return Table(
                identity, size, columns, n_frames, block, n_atoms, None, exact=True, nesting=nesting
            )
    foreign, n_frames, block = foreign_columns(file)
    columns += foreign
    n_atoms = foreign_n_atoms(file, n_frames)
    stored_pbc = any(column.key == "pbc" for column in foreign)
    boundary = None if stored_pbc else foreign_boundary(file)
    return Table(identity, size, columns, n_frames, block, n_atoms, boundary, exact=False)
