"""Frames of (extended) XYZ files, read and written one by one.

An index of where each frame begins is made once, with 16 bytes per frame; after that only what is
asked for is read. Groups of frames (see `Frames.groups`) stand in the key ``zn_nest`` of the
comment lines: ``zn_nest="<1"`` begins a group before the frame, ``zn_nest="1>"`` ends one after it.
"""

from __future__ import annotations

import os
import re
import threading
from array import array
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np
from ase import Atoms

from .nesting import Group, NestingRecorder
from .sinks import FileSink, sync
from .sources import WholeFrames
from .textformat import NEST_KEY, encode_frame
from .textparse import decode_frame

TEXT_SUFFIXES: Final = (".xyz", ".extxyz")

_NEST: Final = re.compile(rb"\s" + NEST_KEY.encode() + rb'="?([0-9<>]+)"?')


class _Index(NamedTuple):
    """Where the frames of a file are."""

    identity: tuple[int, int, int, int]
    edges: np.ndarray
    """Byte where each frame begins, and the end of the last one."""
    n_atoms: np.ndarray
    nesting: Group | None


class _Pending(NamedTuple):
    """A frame that is not written yet."""

    n_atoms: int
    comment: str
    table: str
    begins: str


class TextSource(WholeFrames):
    """Frames of one XYZ file; the file is opened for each read and closed again."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._index: _Index | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._read_index().n_atoms)

    def __repr__(self) -> str:
        return f"path={str(self.path)!r}"

    def __reduce__(self) -> tuple[type[TextSource], tuple[Path]]:
        return TextSource, (self.path,)

    def n_atoms(self, frames: np.ndarray) -> np.ndarray:
        """Number of atoms of `frames`, int64."""
        return self._read_index().n_atoms[frames]

    def nesting(self) -> Group | None:
        """Which frames belong together."""
        return self._read_index().nesting

    def origin(self, frame: int) -> tuple[str, int]:
        """The file, and the position in it."""
        return str(self.path), frame

    def read_frames(self, frames: np.ndarray) -> list[Atoms]:
        """Several frames, in the order asked for."""
        index = self._read_index()
        result: list[Atoms] = []
        with self._open() as file:
            if _identity(file) != index.identity:
                self._index = self._same_index(file, index)
            for frame in frames.tolist():
                begin, end = index.edges[frame : frame + 2].tolist()
                file.seek(begin)
                text = file.read(end - begin)
                try:
                    result.append(decode_frame(text.decode()))
                except (ValueError, KeyError, OSError, IndexError) as error:
                    raise ValueError(
                        f"frame {frame} of {self.path} must be extended XYZ, received "
                        f"{type(error).__name__}: {error}; correct or leave out that frame"
                    ) from error
        return result

    def _same_index(self, file: IO[bytes], before: _Index) -> _Index:
        """Index of a file that was replaced, which is fine if its frames are at the same places."""
        now = _scan(file)
        if not np.array_equal(now.edges, before.edges):
            raise ValueError(
                f"{self.path} must not change while it is read, but it was written anew after "
                "it was opened; make the Frames again"
            )
        return now

    def _open(self) -> IO[bytes]:
        try:
            return self.path.open("rb")
        except FileNotFoundError:
            raise FileNotFoundError(
                f"frames must be read from an existing file, received {self.path}; "
                "run what produces it first"
            ) from None

    def _read_index(self) -> _Index:
        with self._lock:
            if self._index is None:
                with self._open() as file:
                    self._index = _scan(file)
            return self._index


def _identity(file: IO[bytes]) -> tuple[int, int, int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _scan(file: IO[bytes]) -> _Index:
    """Go through the file once, counting lines."""
    edges, n_atoms, nesting = array("q", [0]), array("q"), NestingRecorder()
    at = 0
    while head := file.readline():
        words = head.strip()
        if not words or (n_atoms and words.startswith(b"VEC")):  # belongs to the frame before
            at += len(head)
            edges[-1] = at
            continue
        count = _count(head, len(n_atoms), file.name)
        comment = file.readline()
        at += len(head) + len(comment)
        row = b" "
        for _ in range(count):
            row = file.readline()
            at += len(row)
        if not comment or not row:
            raise ValueError(
                f"frame {len(n_atoms)} of {file.name} must have {count} atoms, but the file ends "
                "before; it was cut off, write it again"
            )
        edges.append(at)
        n_atoms.append(count)
        match = _NEST.search(comment) if NEST_KEY.encode() in comment else None
        nesting.feed(match[1].decode() if match else "1")
    sizes = np.array(n_atoms, dtype=np.int64)
    return _Index(_identity(file), np.array(edges, dtype=np.int64), sizes, nesting.root())


def _count(head: bytes, frame: int, name: Any) -> int:
    try:
        return int(head)
    except ValueError:
        raise ValueError(
            f"frame {frame} of {name} must begin with its number of atoms, received {head[:60]!r}; "
            "the file is no XYZ or damaged: name its format with read={'format': ...}"
        ) from None


class TextWriter(FileSink):
    """Writes frames one by one into an extended XYZ file that ASE and `Frames` read.

    All numbers and types come back as they were, see `textformat`. The target appears when the
    writer is closed, as with `FramesWriter`. A file of no frames is empty.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._file: IO[str] | None = self.part.open("x", encoding="utf-8", newline="\n")
        self._last: _Pending | None = None
        self._brackets = ""
        """Ends and begins of groups since the last frame."""

    def append(self, atoms: Atoms) -> None:
        """Add one frame; `atoms` is copied and may be changed afterwards."""
        if self._file is None:
            raise ValueError(
                f"the writer must be open, received a frame after {self.path.name} was closed; "
                "write all frames inside one `with TextWriter(path)` block"
            )
        try:
            comment, table = encode_frame(atoms)
        except (TypeError, ValueError) as error:
            raise type(error)(f"frame {len(self)}: {error}") from error
        ends = self._brackets.rfind(">") + 1 if self._last else 0
        self._write_last(self._brackets[:ends])
        self._last = _Pending(len(atoms), comment, table, self._brackets[ends:])
        self._brackets = ""
        self._nesting.frames()

    def begin_group(self) -> None:
        """Begin a group: the frames up to `end_group` belong together."""
        super().begin_group()
        self._brackets += "<"

    def end_group(self) -> None:
        """End the group that was begun last."""
        super().end_group()
        self._brackets += ">"

    def finish(self) -> None:
        """Complete the part file and make sure it is on disk; a second call does nothing."""
        if self._file is not None:
            self._write_last(self._brackets)
            self._release()
            sync(self.part)

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write_last(self, ends: str) -> None:
        """Write the frame that was held back until it was known which groups end after it."""
        if self._last is None or self._file is None:
            return
        n_atoms, comment, table, begins = self._last
        nest = f' {NEST_KEY}="{begins}1{ends}"' if begins or ends else ""
        rows = f"{table}\n" if n_atoms else ""
        self._file.write(f"{n_atoms}\n{comment}{nest}\n{rows}")
