import dataclasses

import numpy as np
import pytest

from nodes.numerics.md.checkpoint import read_frames, read_state, write_frames, write_state
from nodes.numerics.md.frames import MDFrames
from nodes.numerics.md.state import Frames


def frames(*steps):
    columns = [np.array(steps, np.float64)] * len(dataclasses.fields(MDFrames))
    return MDFrames(*columns)


def test_frames_come_back_in_order_without_those_after_the_state(tmp_path):
    write_frames(tmp_path, 0, 0, frames(0, 1))
    write_frames(tmp_path, 0, 2, frames(2))
    write_frames(tmp_path, 1, 0, frames(7))
    write_frames(tmp_path, 1, 1, frames())
    assert [part.steps.tolist() for part in read_frames(tmp_path, 0, 3)] == [[0, 1], [2]]
    assert [part.steps.tolist() for part in read_frames(tmp_path, 0, 2)] == [[0, 1]]
    assert [part.steps.tolist() for part in read_frames(tmp_path, 1, 1)] == [[7]]


def test_a_state_comes_back_with_what_was_held(tmp_path):
    held = {"1.0": Frames(*[np.arange(3.0)] * len(Frames._fields))}
    state = {"a": np.arange(2), "b": (np.float32(1.5),)}
    write_state(tmp_path, state, held, {"fingerprint": "x", "n_frames": [4]})
    stored = read_state(tmp_path, "x")
    back = stored.state({"a": 0, "b": (0,)})
    np.testing.assert_array_equal(back["a"], [0, 1])
    assert back["b"][0].dtype == np.float32
    np.testing.assert_array_equal(stored.held["1.0"].energy, np.arange(3.0))
    assert stored.record["n_frames"] == [4]


def test_another_fingerprint_is_refused(tmp_path):
    assert read_state(tmp_path, "a") is None
    write_state(tmp_path, {}, {}, {"fingerprint": "a"})
    with pytest.raises(ValueError, match="remove it or name another directory"):
        read_state(tmp_path, "b")
