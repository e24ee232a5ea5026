"""Structures from anywhere, in memory and on disk: read lazily, written in blocks, exact.

``Frames`` is a sequence of `ase.Atoms` made of files, lists and other sequences; ``FramesOutput``
says where results go. ``FramesWriter`` makes H5MD files that znh5md reads, those of znh5md are
read here; ``TextWriter`` makes extended XYZ files that ASE reads.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .sequence import Frames

if TYPE_CHECKING:
    from .outputs import FramesOutput
    from .sidecars import read_keys
    from .textfiles import TextWriter
    from .writer import FramesWriter, write_frames

__all__ = ["Frames", "FramesOutput", "FramesWriter", "TextWriter", "read_keys", "write_frames"]

_PLACES = {
    "FramesOutput": ".outputs",
    "FramesWriter": ".writer",
    "TextWriter": ".textfiles",
    "read_keys": ".sidecars",
    "write_frames": ".writer",
}


def __getattr__(name: str) -> Any:
    """Import the writers, and with them h5py and ASE, when they are first used."""
    if name in _PLACES:
        return getattr(import_module(_PLACES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
