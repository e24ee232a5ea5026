"""Anything that holds structures becomes `Frames`."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from ase import Atoms
from ase.utils import string2index

from .asefiles import AseSource
from .reader import FileSource
from .sequence import Frames
from .sinks import MemorySink
from .sources import ChainSource, Source
from .textfiles import TEXT_SUFFIXES, TextSource

HDF5_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"

Options = dict[str, Any]


def open_frames(frames: Any, read: Options) -> Frames:
    """Frames of anything; see `Frames`.

    Parameters
    ----------
    frames
        Where the structures are.
    read
        Options of `ase.io.iread`.
    """
    if isinstance(frames, Frames):
        return frames
    if isinstance(frames, Atoms):
        return Frames.from_atoms([frames])
    if isinstance(frames, str | os.PathLike):
        return _from_path(os.fspath(frames), read)
    if hasattr(frames, "frames"):
        return open_frames(frames.frames, read)
    if isinstance(frames, Mapping | bytes) or not isinstance(frames, Iterable):
        raise TypeError(
            "frames must be structures, a path, a glob, Frames, an object with `frames`, or a list "
            f"of such, received {type(frames).__name__}; give ase.Atoms or where to find them"
        )
    return _from_items(frames, read)


def chain(parts: list[Frames]) -> Frames:
    """The entries of all `parts` one after the other."""
    flat: list[tuple[Frames, bool]] = []
    for part in parts:
        flat += part.parts() or [(part, False)]
    return _strung(flat)


def _strung(parts: list[tuple[Frames, bool]]) -> Frames:
    if not parts:
        return Frames.from_atoms([])
    if len(parts) == 1 and not parts[0][1]:
        return parts[0][0]
    chained, grouped = zip(*parts, strict=True)
    return Frames.from_source(ChainSource(chained, grouped))


def _from_items(items: Iterable[Any], read: Options) -> Frames:
    """Entries of an iterable, which is gone through once; structures are copied as they come."""
    parts: list[tuple[Frames, bool]] = []
    sink = MemorySink()
    for position, item in enumerate(items):
        if _in_memory(item):
            sink.extend([item])
            continue
        if len(sink) or sink.n_groups:
            parts.append((Frames.from_source(sink.source()), False))
            sink = MemorySink()
        try:
            parts.append((open_frames(item, read), True))
        except (TypeError, ValueError, FileNotFoundError) as error:
            raise type(error)(f"entry {position}: {error}") from error
    if len(sink) or sink.n_groups:
        parts.append((Frames.from_source(sink.source()), False))
    return _strung(parts)


def _in_memory(item: Any) -> bool:
    """Whether `item` is a structure, or lists of structures."""
    return isinstance(item, Atoms) or (
        isinstance(item, list | tuple) and all(_in_memory(entry) for entry in item)
    )


def _from_path(path: str, read: Options) -> Frames:
    if Path(path).exists():
        return _from_file(path, read)
    if not glob.has_magic(path):
        raise FileNotFoundError(
            f"frames must be read from an existing file, received {path!r}; run what produces it "
            f"first, or correct the path (looked for from {Path.cwd()})"
        )
    names = glob.glob(path, recursive=True)  # noqa: PTH207 - of any path, absolute ones too
    found = sorted(name for name in names if Path(name).is_file())
    if not found:
        raise FileNotFoundError(
            f"a glob must match at least one file, received {path!r}, which matches none "
            f"(looked for from {Path.cwd()})"
        )
    return _strung([(_from_file(name, read), True) for name in found])


def _from_file(path: str, read: Options) -> Frames:
    options = dict(read)
    index = options.pop("index", None)
    file_format = options.pop("format", None)
    source: Source
    if file_format is None and _is_hdf5(path):
        source = FileSource(path)
    elif not options and (file_format or Path(path).suffix.lower()) in (*TEXT_SUFFIXES, "extxyz"):
        source = TextSource(path)
    else:
        source = AseSource(path, {"index": ":" if index is None else index, **read})
        index = None
    frames = Frames.from_source(source, name=path)
    return frames if index is None else frames[_as_slice(index)]


def _as_slice(index: Any) -> slice:
    if isinstance(index, str):
        index = string2index(index)
    if isinstance(index, slice):
        return index
    return slice(index, index + 1 or None)


def _is_hdf5(path: str) -> bool:
    if not Path(path).is_file():
        return False
    with Path(path).open("rb") as file:
        return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
