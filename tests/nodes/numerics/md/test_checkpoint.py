import jax
import numpy as np
import pytest

from nodes.numerics.md.block import Frames, MDState
from nodes.numerics.md.checkpoint import read_run, write_run
from nodes.numerics.neighbors.device import from_structure

POSITIONS = np.array([[0.0, 0, 0], [1.0, 0, 0]])


def make_state(step):
    _, neighbors = from_structure(POSITIONS, np.eye(3), (False,) * 3, cutoff=2.0, skin=0.5)
    return MDState(np.int32(step), np.int32(step), POSITIONS, POSITIONS + 1, POSITIONS, neighbors)


def make_frames(*steps):
    scalars = np.array(steps, np.float64)
    vectors = scalars[:, None, None] + np.zeros((2, 3))
    return Frames(np.array(steps), vectors, vectors, vectors, scalars, scalars, scalars)


def test_blocks_come_back_in_order_with_the_last_state(tmp_path):
    write_run(tmp_path, make_state(1), make_frames(0, 1), 0, {"fingerprint": "a", "n_frames": 2})
    write_run(tmp_path, make_state(2), make_frames(2), 2, {"fingerprint": "a", "n_frames": 3})
    stored = read_run(tmp_path, "a")
    assert [int(s) for part in stored.frames for s in part.step] == [0, 1, 2]
    jax.tree.map(np.testing.assert_array_equal, stored.state, make_state(2))


def test_frames_written_after_the_state_are_left_out(tmp_path):
    write_run(tmp_path, make_state(1), make_frames(0, 1), 0, {"fingerprint": "a", "n_frames": 2})
    state = (tmp_path / "md.npz").read_bytes()
    write_run(tmp_path, make_state(2), make_frames(2), 2, {"fingerprint": "a", "n_frames": 3})
    (tmp_path / "md.npz").write_bytes(state)
    assert len(read_run(tmp_path, "a").frames) == 1


def test_another_fingerprint_is_refused(tmp_path):
    assert read_run(tmp_path, "a") is None
    write_run(tmp_path, make_state(0), make_frames(0), 0, {"fingerprint": "a", "n_frames": 1})
    with pytest.raises(ValueError, match="remove it or name another directory"):
        read_run(tmp_path, "b")
