"""A column while it is written: buffered rows, and one growing HDF5 dataset.

Datasets are rectangular, NaN-padded to the largest frame, as other readers expect. Padding costs
next to nothing: chunks that would hold NaN alone are never written and take no space.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import h5py
import numpy as np

from .layout import (
    ORIGIN_ATTRIBUTE,
    STEP,
    UNITS,
    ColumnSpec,
    H5File,
    Layout,
    Origin,
    Storage,
    layout_path,
)
from .values import Stored

CHUNK_BYTES: Final = 2**16
MAX_CHUNK_ROWS: Final = 1024
MIN_CHUNK_ATOMS: Final = 8
MIXED_CHUNK_ATOMS: Final = 32
MAX_CHUNK_ATOMS: Final = 2**15
FILTERS: Final = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def rows_per_chunk(row_bytes: int) -> int:
    """Power of two of rows that fill about one chunk."""
    rows = max(1, min(MAX_CHUNK_ROWS, CHUNK_BYTES // max(1, row_bytes)))
    return 1 << (rows.bit_length() - 1)


class GrowingColumn:
    """One quantity of all frames written so far.

    Parameters
    ----------
    origin, key
        Where the value is in `ase.Atoms`, and its name.
    storage
        ``number``: float64 array; ``text``: JSON; ``none``: the value is in its layout.
    path
        HDF5 group of the dataset ``value``.
    """

    def __init__(self, origin: Origin, key: str, storage: Storage, path: str) -> None:
        self.origin: Origin = origin
        self.key = key
        self.storage: Storage = storage
        self.path = path
        self._layouts: dict[Layout, int] = {}
        self._codes = array("i")
        self._rows: list[int] = []
        self._values: list[Any] = []
        self._dataset: Any = None  # h5py.Dataset, from the first flush with a value on

    def add(self, frame: int, layout: Layout, stored: Stored) -> None:
        """Take the value of frame number `frame`; earlier frames without a value are missing."""
        self._pad_codes(frame)
        self._codes.append(self._layouts.setdefault(layout, len(self._layouts)))
        if self.storage != "none":
            self._rows.append(frame)
            self._values.append(stored)

    def create(self, file: H5File, example: Stored) -> None:
        """Create the dataset without rows, in the shape of `example`: for a file of no frames."""
        self._dataset = self._create(file, [example])

    def flush(self, file: H5File, start: int, stop: int) -> None:
        """Write the buffered rows of the frames from `start` to `stop` (exclusive)."""
        count = sum(row < stop for row in self._rows)
        rows = np.array(self._rows[:count], dtype=np.int64) - start
        values = self._values[:count]
        del self._rows[:count], self._values[:count]
        if self.storage == "none" or (self._dataset is None and not values):
            return
        if self._dataset is None:
            self._dataset = self._create(file, values)
        dataset = self._dataset
        if self.storage == "text":
            dataset.resize((stop,))
            texts = np.full(stop - start, "", dtype=object)
            texts[rows] = values
            dataset[start:stop] = texts
            return
        if not values:
            dataset.resize((stop, *dataset.shape[1:]))
            return
        shapes = np.array([value.shape for value in values], dtype=np.int64)
        widest = shapes.max(axis=0)
        dataset.resize((stop, *np.maximum(dataset.shape[1:], widest).astype(int).tolist()))
        if len(values) == stop - start and (shapes == shapes[0]).all():
            block = np.stack(values)
            dataset[(slice(start, stop), *map(slice, block.shape[1:]))] = block
        else:
            _write_padded(dataset, start, rows, values)

    def finish(self, file: H5File, number: int, n_frames: int) -> ColumnSpec:
        """Write which layout each frame has, unless all have the first, and describe the column."""
        self._pad_codes(n_frames)
        codes = np.frombuffer(self._codes, dtype=np.int32) if n_frames else np.zeros(0, np.int32)
        constant = not codes.any()
        if not constant:
            file.create_dataset(layout_path(number), data=codes, track_times=False, **FILTERS)
        if self._dataset is not None:
            self._dataset.resize(n_frames, axis=0)
        return ColumnSpec(
            self.origin, self.key, self.storage, self.path, tuple(self._layouts), constant
        )

    def _pad_codes(self, n_frames: int) -> None:
        missing = n_frames - len(self._codes)
        if missing > 0:
            self._codes.extend([-1] * missing)

    def _create(self, file: H5File, values: list[Any]) -> Any:
        group = file.create_group(self.path)
        if self.storage == "text":
            shape, chunks = (0,), (MAX_CHUNK_ROWS,)
            dtype, fill = h5py.string_dtype(), ""
        else:
            widest = np.maximum(1, np.max([value.shape for value in values], axis=0)).tolist()
            shape, chunks = (0, *widest), self._chunks(values, widest)
            dtype, fill = np.float64, np.nan
        dataset = group.create_dataset(
            "value",
            shape=shape,
            maxshape=(None,) * len(shape),
            chunks=chunks,
            dtype=dtype,
            fillvalue=fill,
            track_times=False,
            **FILTERS,
        )
        group["step"] = file[STEP]
        group.attrs[ORIGIN_ATTRIBUTE] = self.origin
        if self.key in UNITS:
            dataset.attrs["unit"] = UNITS[self.key]
        return dataset

    @property
    def _is_per_atom(self) -> bool:
        return any(layout.shape[:1] == (None,) for layout in self._layouts)

    def _chunks(self, values: list[np.ndarray], widest: list[int]) -> tuple[int, ...]:
        if not widest:
            return (MAX_CHUNK_ROWS,)
        typical = int(np.median([value.shape[0] for value in values]))
        wanted = max(MIN_CHUNK_ATOMS, typical, min(widest[0], MIXED_CHUNK_ATOMS))
        atoms = min(wanted, MAX_CHUNK_ATOMS) if self._is_per_atom else widest[0]
        row = (atoms, *widest[1:])
        return (rows_per_chunk(8 * int(np.prod(row))), *row)


def _write_padded(dataset: Any, start: int, rows: np.ndarray, values: list[np.ndarray]) -> None:
    """Write values of unequal shape, leaving out the chunks that none of them reaches."""
    if dataset.ndim == 1:
        column = np.full(rows[-1] + 1, np.nan)
        column[rows] = values
        dataset[start : start + len(column)] = column
        return
    width = dataset.chunks[1]
    sizes = np.array([len(value) for value in values])
    edges = [0, *(np.unique(-(-sizes // width)) * width).tolist()]
    for left, right in pairwise(edges):
        right = min(right, dataset.shape[1])
        for first, last in _runs(np.flatnonzero(sizes > left), rows, gap=dataset.chunks[0]):
            low, high = rows[first], rows[last] + 1
            block = np.full((high - low, right - left, *dataset.shape[2:]), np.nan)
            for position in range(first, last + 1):
                part = values[position][left:right]
                block[(rows[position] - low, *map(slice, part.shape))] = part
            dataset[start + low : start + high, left:right] = block


def _runs(positions: np.ndarray, rows: np.ndarray, gap: int) -> Iterator[tuple[int, int]]:
    """First and last of each stretch of `positions` whose `rows` are at most `gap` apart."""
    breaks = np.flatnonzero(np.diff(rows[positions]) > gap) + 1
    for part in np.split(positions, breaks):
        if len(part):
            yield int(part[0]), int(part[-1])
