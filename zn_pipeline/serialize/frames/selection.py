"""Positions out of a sequence, and values of many frames as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def checked_index(item: Sequence[int] | np.ndarray, size: int) -> np.ndarray:
    """Positions that a list or mask selects out of `size`, none of them negative.

    Raises
    ------
    TypeError
        `item` holds neither integers nor bools.
    IndexError
        A position is out of range, or the mask has another length.
    """
    index = np.asarray(item)
    if not index.size:
        return np.zeros(0, dtype=np.int64)
    if index.ndim != 1 or index.dtype.kind not in "iub":
        raise TypeError(
            "index must be an integer, a slice, or a list of integers or of one bool per "
            f"frame, received {item!r}"
        )
    if index.dtype.kind == "b":
        if len(index) != size:
            raise IndexError(f"mask must have {size} entries, received {len(index)}")
        return np.flatnonzero(index)
    if index.min() < -size or index.max() >= size:
        raise IndexError(f"indices must be from {-size} to {size - 1}, received {item!r}")
    return np.where(index < 0, index + size, index)


def stacked(values: list[Any]) -> np.ndarray | list[Any]:
    """One array if all values are numbers or numeric arrays of one shape, else the list itself."""
    if not values:
        return np.zeros(0)
    if all(isinstance(value, int | float | complex | np.number | np.bool_) for value in values):
        return np.array(values)
    if not all(isinstance(value, np.ndarray) and value.dtype.kind in "biufc" for value in values):
        return values
    return np.stack(values) if len({value.shape for value in values}) == 1 else values
