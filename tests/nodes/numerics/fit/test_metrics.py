import json

import numpy as np
import pytest

from nodes.numerics.fit.config import Loss
from nodes.numerics.fit.metrics import metrics_of, total_loss
from nodes.numerics.fit.objective import Sums

LOSSES = (Loss("energy", weight=2.0), Loss("forces", "huber", weight=3.0))


def sums(scale=1.0):
    """Two steps."""
    losses = scale * np.array([[[4.0, 2.0], [6.0, 2.0]], [[2.0, 1.0], [0.0, 0.0]]])
    errors = {
        "energy_per_atom": scale * np.array([[3.0, 5.0, 2.0], [1.0, 1.0, 1.0]]),
        "forces": scale * np.array([[2.0, 4.0, 4.0], [0.0, 0.0, 0.0]]),
        "stress": np.zeros((2, 3)),
    }
    return Sums(losses, errors, scale * np.array([[1.5, 2.0], [0.0, 0.0]]))


def test_every_structure_and_every_value_has_the_same_weight():
    metrics = metrics_of(3, LOSSES, 0.01, [sums()], [sums(), sums(2.0)])
    assert metrics.epoch == 3
    assert metrics.train_loss == pytest.approx(2.0 * 6 / 3 + 3.0 * 6 / 2)
    assert metrics.valid_loss == pytest.approx(metrics.train_loss)
    assert metrics.energy_mae_ev_per_atom == pytest.approx(4 / 3)
    assert metrics.energy_rmse_ev_per_atom == pytest.approx(np.sqrt(6 / 3))
    assert metrics.forces_mae_ev_per_angstrom == pytest.approx(0.5)
    row = metrics.row()
    assert row["valid_forces_mse"] == pytest.approx(1.0)
    assert row["valid_forces_cosine"] == pytest.approx(0.75)
    assert row["train_loss_forces_huber"] == pytest.approx(3.0)
    assert row["learning_rate"] == 0.01
    assert not [name for name in row if "stress" in name]
    assert json.loads(json.dumps(row)) == row


def test_without_validation():
    row = metrics_of(1, LOSSES, 0.01, [sums()], []).row()
    assert not [name for name in row if name.startswith("valid")]
    assert "forces_mae_ev_per_angstrom" not in row


def test_a_loss_without_labels_is_zero():
    assert total_loss(LOSSES, Sums(np.zeros((2, 2)), {}, np.zeros(2))) == 0.0
