"""Positions and stacked values."""

import numpy as np
import pytest

from zn_pipeline.serialize.frames.selection import checked_index, stacked


def test_positions():
    assert checked_index([0, -1], 4).tolist() == [0, 3]
    assert checked_index([True, False, True], 3).tolist() == [0, 2]
    assert checked_index([], 4).tolist() == []
    with pytest.raises(IndexError, match="indices must be from -4 to 3"):
        checked_index([4], 4)


def test_values_of_one_shape_are_one_array():
    assert stacked([1, 2.5]).tolist() == [1, 2.5]
    assert stacked([np.zeros(2), np.ones(2)]).shape == (2, 2)
    assert isinstance(stacked([np.zeros(2), np.ones(3)]), list)
    assert stacked(["a", "b"]) == ["a", "b"]
    assert len(stacked([])) == 0
