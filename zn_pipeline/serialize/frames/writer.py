"""Frames into a file: buffered, deterministic, and never half written."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable
from typing import Any, Final

import h5py
import numpy as np
from ase import Atoms

from .columns import FILTERS, GrowingColumn, rows_per_chunk
from .layout import (
    FORMAT_VERSION,
    FRAME_RESULTS,
    N_ATOMS,
    NESTING,
    OWN_GROUP,
    PARTICLES,
    PER_ATOM_KEYS,
    SCHEMA,
    STEP,
    H5File,
    Layout,
    Origin,
    Storage,
    dump_schema,
    private_path,
    public_path,
)
from .nesting import nesting_text
from .sinks import FileSink, sync
from .snapshot import EXTRAS, take_apart
from .values import Stored, encode, freeze_constant

BUFFER_FRAMES: Final = 256
BUFFER_BYTES: Final = 2**24
LIBVER: Final = ("v110", "v110")

Encoded = tuple[Origin, str, Layout, Stored]


class FramesWriter(FileSink):
    """Writes frames one by one into an H5MD file that ``znh5md.IO`` and `Frames` read.

    Frames are collected and written in blocks to ``.<name>.<token>.part`` beside the target, which
    takes the target's place in one step when the writer is closed. If the process dies or the
    ``with`` block raises, the target is as it was before. The same frames give the same bytes.
    Lists within what is given to `extend` become groups, see `Frames.groups`.

    Parameters
    ----------
    path
        Target file; missing folders are made.

    Examples
    --------
    >>> with FramesWriter("frames.h5") as writer:  # doctest: +SKIP
    ...     for atoms in trajectory:
    ...         writer.append(atoms)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._columns: dict[tuple[Origin, str, Storage, int], GrowingColumn] = {}
        self._paths: set[str] = set()
        self._n_atoms = array("q")
        self._written = 0
        self._buffered_bytes = 0
        self._boundary = ["none"] * 3
        self._file: H5File | None = h5py.File(self.part, "x", libver=LIBVER)
        _write_header(self._file)

    def append(self, atoms: Atoms) -> None:
        """Add one frame; `atoms` is copied and may be changed afterwards.

        Raises
        ------
        TypeError
            `atoms` is no `ase.Atoms`, or holds a value that cannot be stored; it is left out.
        ValueError
            The writer is closed, or the results of the calculator belong to another structure.
        """
        self._open_file()
        encoded = self._encode(atoms)
        frame, n_atoms = len(self), len(atoms)
        if frame == 0:
            self._boundary = ["periodic" if periodic else "none" for periodic in atoms.pbc]
        for origin, key, layout, stored in encoded:
            self._column(origin, key, layout, stored).add(frame, layout, stored)
            self._buffered_bytes += len(stored) if isinstance(stored, str) else stored.nbytes
        self._n_atoms.append(n_atoms)
        self._nesting.frames()
        if len(self) - self._written >= BUFFER_FRAMES or self._buffered_bytes >= BUFFER_BYTES:
            self._flush()

    def finish(self) -> None:
        """Complete the part file and make sure it is on disk; a second call does nothing."""
        if self._file is None:
            return
        self._flush()
        self._finish(self._file)
        self._release()
        sync(self.part)

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open_file(self) -> H5File:
        if self._file is None:
            raise ValueError(
                f"the writer must be open, received a frame after {self.path.name} was closed; "
                "write all frames inside one `with FramesWriter(path)` block"
            )
        return self._file

    def _encode(self, atoms: Atoms) -> list[Encoded]:
        encoded: list[Encoded] = []
        where = f"frame {len(self)}"
        try:
            for origin, key, value in take_apart(atoms):
                where = f"frame {len(self)}, {origin} {key!r}"
                if key == EXTRAS and origin == "atoms":
                    encoded.append((origin, key, freeze_constant(value), ""))
                    continue
                per_atom = key in PER_ATOM_KEYS if origin == "atoms" else key not in FRAME_RESULTS
                layout, stored = encode(value, len(atoms), per_atom=per_atom)
                encoded.append((origin, key, layout, stored))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{where}: {error}") from error
        return encoded

    def _column(self, origin: Origin, key: str, layout: Layout, stored: Stored) -> GrowingColumn:
        storage: Storage = "number"
        ndim = 0
        if layout.kind == "constant":
            storage = "none"
        elif isinstance(stored, str):
            storage = "text"
        else:
            ndim = stored.ndim
        name = (origin, key, storage, ndim)
        column = self._columns.get(name)
        if column is None:
            path = public_path(origin, key, per_atom=layout.shape[:1] == (None,))
            if storage == "none":
                path = ""
            elif path is None or path in self._paths:
                path = private_path(len(self._columns))
            self._paths.add(path)
            column = self._columns[name] = GrowingColumn(origin, key, storage, path)
        return column

    def _flush(self) -> None:
        file = self._open_file()
        for column in self._columns.values():
            column.flush(file, self._written, len(self))
        self._written = len(self)
        self._buffered_bytes = 0

    def _finish(self, file: H5File) -> None:
        if len(self) == 0:
            for origin, key, layout, stored in self._encode(Atoms()):
                self._column(origin, key, layout, stored).create(file, stored)
        box = file[f"{PARTICLES}/box"]
        box.attrs["dimension"] = 3
        box.attrs["boundary"] = self._boundary
        specs = [
            column.finish(file, number, len(self))
            for number, column in enumerate(self._columns.values())
        ]
        positions = next(
            spec for spec in specs if (spec.origin, spec.key) == ("atoms", "positions")
        )
        block = file[f"{positions.path}/value"].chunks[0]
        file.create_dataset(
            N_ATOMS,
            data=np.array(self._n_atoms, dtype=np.int64),
            chunks=(rows_per_chunk(8),),
            maxshape=(None,),
            track_times=False,
            **FILTERS,
        )
        nesting = self._nesting.root()
        if nesting is not None:
            file.create_dataset(NESTING, data=nesting_text(nesting), track_times=False)
        schema = dump_schema(specs, len(self), block)
        file.create_dataset(SCHEMA, data=schema, track_times=False)


def write_frames(path: str | os.PathLike[str], frames: Iterable[Any]) -> None:
    """Write all frames to `path` at once, groups included; see `FramesWriter`."""
    with FramesWriter(path) as writer:
        writer.extend(frames)


def _write_header(file: H5File) -> None:
    h5md = file.create_group("h5md")
    h5md.attrs["version"] = np.array([1, 1])
    author = h5md.create_group("author")
    author.attrs["name"] = "N/A"
    creator = h5md.create_group("creator")
    creator.attrs["name"] = OWN_GROUP
    creator.attrs["version"] = str(FORMAT_VERSION)
    own = file.create_group(OWN_GROUP)
    own.attrs["version"] = FORMAT_VERSION
    file.create_dataset(STEP, data=1, track_times=False)
