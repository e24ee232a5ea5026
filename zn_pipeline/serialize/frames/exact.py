"""Reading columns that `FramesWriter` wrote: every value as it was."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from .layout import (
    MISSING,
    N_ATOMS,
    SCHEMA,
    ColumnSpec,
    H5File,
    Layout,
    Origin,
    layout_path,
    load_schema,
)
from .values import decode


class ExactColumn:
    """A column whose layouts the file tells."""

    def __init__(self, spec: ColumnSpec, number: int, file: H5File) -> None:
        self.origin: Origin = spec.origin
        self.key = spec.key
        self._spec = spec
        self._dataset = f"{spec.path}/value"
        self._codes = None if spec.constant else file[layout_path(number)][:]

    def load(self, file: H5File, low: int, high: int, n_atoms: np.ndarray) -> Any:
        """Stored rows of the frames `low` to `high`, no wider than their `n_atoms` ask for."""
        if self._spec.storage == "none":
            return None
        dataset = file[self._dataset]
        if self._spec.storage == "number" and dataset.ndim > 1 and self._is_per_atom:
            return dataset[low:high, : n_atoms.max(initial=0)]
        return dataset[low:high]

    def value(self, rows: Any, row: int, frame: int, n_atoms: int) -> Any:
        """New value of one frame, from `rows` that `load` returned, or `MISSING`."""
        code = 0 if self._codes is None else self._codes[frame]
        if code < 0:
            return MISSING
        stored = None if rows is None else rows[row]
        return decode(stored, self._spec.layouts[code], n_atoms)

    def uniform(
        self, frames: np.ndarray, n_atoms: np.ndarray
    ) -> tuple[np.dtype, tuple[int, ...]] | None:
        """Type and shape that the values of all `frames` share, None if they are not alike."""
        layout = self._only_layout(frames)
        if layout is None or self._spec.storage != "number":
            return None
        if layout.kind in ("float", "int", "bool"):
            return np.dtype(layout.kind), ()
        if layout.kind not in ("scalar", "array"):
            return None
        dtype = np.dtype(layout.detail)
        unequal = None in layout.shape and (n_atoms[frames] != n_atoms[frames[0]]).any()
        if dtype.kind == "c" or unequal:
            return None
        return dtype, layout.shape_for(int(n_atoms[frames[0]]))

    def _only_layout(self, frames: np.ndarray) -> Layout | None:
        if not len(frames):
            return None
        if self._codes is None:
            return self._spec.layouts[0]
        codes = self._codes[frames]
        same = codes[0] >= 0 and (codes == codes[0]).all()
        return self._spec.layouts[codes[0]] if same else None

    @cached_property
    def _is_per_atom(self) -> bool:
        return all(layout.shape[:1] == (None,) for layout in self._spec.layouts)


def exact_columns(file: H5File) -> tuple[list[ExactColumn], int, int]:
    """Columns of a file that `FramesWriter` wrote, its number of frames, and frames per block."""
    specs, n_frames, block = load_schema(file[SCHEMA][()].decode())
    columns = [ExactColumn(spec, number, file) for number, spec in enumerate(specs)]
    return columns, n_frames, block


def exact_n_atoms(file: H5File) -> np.ndarray:
    """Number of atoms of each frame, int64."""
    return file[N_ATOMS][:]
