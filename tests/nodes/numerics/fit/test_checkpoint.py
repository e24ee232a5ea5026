import jax
import numpy as np
import pytest

from nodes.numerics.fit.checkpoint import Progress, read_progress, write_progress
from nodes.numerics.fit.epoch import FitState
from nodes.numerics.fit.metrics import EpochMetrics


def progress(seed):
    weights = {"layers": [{"w": jax.random.normal(jax.random.key(seed), (2, 3))}]}
    history = (
        EpochMetrics(1, 0.1 + 0.2, None),
        EpochMetrics(2, 1 / 3, 0.5, 1e-30, details={"learning_rate": 0.1}),
    )
    return Progress(FitState(weights, weights, {"count": weights}), weights, 2, history)


def test_round_trip_keeps_every_bit(tmp_path):
    written = progress(0)
    write_progress(tmp_path, written, "a")
    read = read_progress(tmp_path, progress(1), "a")
    assert read.history == written.history
    assert read.best_epoch == 2
    jax.tree.map(np.testing.assert_array_equal, (read.state, read.best), written[:2])


def test_nothing_is_read_where_nothing_was_written(tmp_path):
    assert read_progress(tmp_path, progress(0), "a") is None


def test_another_fingerprint_is_refused(tmp_path):
    write_progress(tmp_path, progress(0), "a")
    with pytest.raises(ValueError, match="remove it or name another directory"):
        read_progress(tmp_path, progress(0), "b")
