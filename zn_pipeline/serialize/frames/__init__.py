"""Structures and trajectories on disk: read lazily, written in blocks, exact in every type.

``Frames`` is a sequence of `ase.Atoms` over an H5MD file, ``FramesWriter`` makes such files. They
are read by znh5md, and those of znh5md are read here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .sequence import Frames

if TYPE_CHECKING:
    from .writer import FramesWriter, write_frames

__all__ = ["Frames", "FramesWriter", "write_frames"]


def __getattr__(name: str) -> Any:
    """Import the writer, and with it h5py and ASE, when it is first used."""
    if name in ("FramesWriter", "write_frames"):
        return getattr(import_module(".writer", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
