"""The items of a map: structures in memory, structures in files, or plain values."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from ase import Atoms

from zn_pipeline.items.visible import stripped, visible
from zn_pipeline.serialize.frames import Frames
from zn_pipeline.serialize.frames.sources import ListSource


class Items:
    """Items in order, read when they are needed.

    Parameters
    ----------
    given : structures in any form that ``zn.Frames`` takes, or a list of plain values
    grouped : lists of structures are items of their own, not strung together
    """

    def __init__(self, given: Any, *, grouped: bool = False) -> None:
        self.values: list[Any] | None = None
        self.frames: Frames | None = None
        if isinstance(given, Frames) and not grouped:
            self.frames = given
        elif isinstance(given, Frames):
            self.values = [list(group) for group in given.groups()]
        elif isinstance(given, (str, os.PathLike)) or hasattr(given, "frames"):
            self.frames = Frames(given)
        elif isinstance(given, Atoms):
            self.values = [given]
        else:
            self._from_iterable(given, grouped=grouped)

    def _from_iterable(self, given: Any, *, grouped: bool) -> None:
        if not isinstance(given, Iterable):
            raise TypeError(
                "items must be structures, files of structures or a list of values, received "
                f"{type(given).__name__}"
            )
        entries = list(given)
        nested = (list, tuple, Frames, os.PathLike)
        if not grouped and any(isinstance(entry, nested) for entry in entries):
            self.frames = Frames(entries)
        elif grouped:
            self.values = [list(entry) if isinstance(entry, Frames) else entry for entry in entries]
        else:
            self.values = entries

    @property
    def in_memory(self) -> bool:
        """Whether all items are in memory already."""
        return self.values is not None

    @property
    def of_structures(self) -> bool:
        """Whether items are structures or groups of structures."""
        if self.values is None:
            return True
        return bool(self.values) and all(
            isinstance(member, Atoms)
            for value in self.values
            for member in (value if isinstance(value, (list, tuple)) else [value])
        )

    def as_frames(self) -> Frames | None:
        """Return the items as `Frames`, None if they are groups or plain values."""
        if self.values is None or not all(isinstance(item, Atoms) for item in self.values):
            return self.frames
        return Frames.from_source(ListSource(self.values))

    def __len__(self) -> int:
        return len(self.frames) if self.values is None else len(self.values)  # type: ignore[arg-type]

    def read(self, rows: Sequence[int]) -> list[Any]:
        """Return some items; those in memory are the user's own and must not be changed."""
        if self.values is not None:
            return [self.values[row] for row in rows]
        assert self.frames is not None
        return list(self.frames[list(rows)])

    def given(self, item: Any, reads: Any) -> Any:
        """Return what a function that reads `reads` gets of an item, which it may change."""
        if self.values is not None:
            return visible(item, reads)
        return item if reads == "all" else stripped(item, reads)
