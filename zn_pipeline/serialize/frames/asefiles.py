"""Frames of files in any format that ASE reads, read as a whole when the first is needed."""

from __future__ import annotations

import shutil
import threading
import weakref
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase import Atoms
from ase.io import iread
from ase.spacegroup import Spacegroup

from .layout import Origin
from .reader import FileSource
from .sinks import MemorySink
from .sources import ListSource
from .writer import write_frames

if TYPE_CHECKING:
    from .nesting import Group

MEMORY_FRAMES: Final = 2048
"""Longer files are spooled to a temporary H5MD file instead of memory."""


class AseSource:
    """Frames of one file as `ase.io.iread` gives them.

    Up to `MEMORY_FRAMES` frames are kept in memory; longer files are copied once into a temporary
    H5MD file, which goes with this object.

    Parameters
    ----------
    path
        The file.
    options
        Options of `ase.io.iread`.
    """

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        self.path = Path(path).absolute()
        self._options = options
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._spool)

    def __repr__(self) -> str:
        return f"path={str(self.path)!r}"

    def __reduce__(self) -> tuple[type[AseSource], tuple[str, dict[str, Any]]]:
        return AseSource, (str(self.path), self._options)

    def n_atoms(self, frames: np.ndarray) -> np.ndarray:
        """Number of atoms of `frames`, int64."""
        return self._spool.n_atoms(frames)

    def read_frame(self, frame: int) -> Atoms:
        """One frame."""
        return self._spool.read_frame(frame)

    def read_frames(self, frames: np.ndarray) -> list[Atoms]:
        """Several frames, in the order asked for."""
        return self._spool.read_frames(frames)

    def keys(self) -> set[tuple[Origin, str]]:
        """Where in `ase.Atoms` values are, and under which names."""
        return self._spool.keys()

    def read_column(self, origin: Origin, key: str, frames: np.ndarray) -> np.ndarray | list[Any]:
        """Values of one name; absent ones are `MISSING`."""
        return self._spool.read_column(origin, key, frames)

    def nesting(self) -> Group | None:
        """None: other formats know no groups."""
        return None

    def origin(self, frame: int) -> tuple[str, int]:
        """The file, and the position among the frames that were read."""
        return str(self.path), frame

    @property
    def _spool(self) -> ListSource | FileSource:
        with self._lock:
            return self._read

    @cached_property
    def _read(self) -> ListSource | FileSource:
        stream = self._stream()
        first = list(islice(stream, MEMORY_FRAMES + 1))
        if len(first) <= MEMORY_FRAMES:
            return _listed(first)
        folder = mkdtemp(prefix="zn_frames_")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        spool = Path(folder) / "spool.h5"
        write_frames(spool, _chained(first, stream))
        return FileSource(spool)

    def _stream(self) -> Iterator[Atoms]:
        if not self.path.exists():
            raise FileNotFoundError(
                f"frames must be read from an existing file, received {self.path}; "
                "run what produces it first"
            )
        try:
            for atoms in iread(self.path, **self._options):
                yield _storable(atoms)
        except Exception as error:
            raise ValueError(
                f"{self.path} must be a file that ASE reads, received {type(error).__name__}: "
                f"{error}; name its format with read={{'format': ...}}"
            ) from error


def _chained(first: list[Atoms], rest: Iterable[Atoms]) -> Iterator[Atoms]:
    yield from first
    first.clear()
    yield from rest


def _listed(frames: Iterable[Atoms]) -> ListSource:
    sink = MemorySink()
    sink.extend(frames)
    return sink.source()


def _storable(atoms: Atoms) -> Atoms:
    """Space groups, which CIF files give, by their symbol, as in extended XYZ."""
    for key, value in atoms.info.items():
        if isinstance(value, Spacegroup):
            atoms.info[key] = value.symbol
    return atoms
