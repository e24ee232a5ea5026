import pytest

from nodes.numerics.fit.metrics import EpochMetrics
from nodes.training.callbacks.rows import default_metrics, row_of
from nodes.training.config.fit import LossConfig, MetricConfig

DETAILS = {
    "train_energy_mae": 4.0, "valid_energy_mae": 2.0, "valid_energy_per_atom_mae": 0.5,
    "valid_energy_per_atom_rmse": 0.6, "valid_forces_mae": 0.1, "valid_forces_rmse": 0.2,
    "valid_forces_cosine": 0.75, "learning_rate": 1e-3,
}  # fmt: skip


def test_columns_have_the_names_of_apax():
    metrics = EpochMetrics(3, 1.0, 0.5, details=DETAILS)
    wanted = [
        MetricConfig(name="energy", reductions=("mae", "per_atom_mae")),
        MetricConfig(name="forces", reductions=("rmse", "cosine_sim")),
        MetricConfig(name="stress", reductions=("mae",)),
    ]
    assert row_of(metrics, wanted, 2.0) == {
        "epoch": 3, "train_loss": 1.0, "val_loss": 0.5, "train_energy_mae": 4.0,
        "val_energy_mae": 2.0, "val_energy_per_atom_mae": 0.5, "val_forces_rmse": 0.2,
        "val_forces_cosine_sim": 0.25, "learning_rate": 1e-3, "epoch_time": 2.0,
    }  # fmt: skip
    assert list(row_of(EpochMetrics(1, 1.0), wanted, 2.0)) == ["epoch", "train_loss", "epoch_time"]


def test_by_default_errors_of_what_the_losses_name():
    losses = [LossConfig(name="energy"), LossConfig(name="forces"), LossConfig(name="energy")]
    row = row_of(EpochMetrics(1, 1.0, 0.5, details=DETAILS), default_metrics(losses), 1.0)
    assert {"val_energy_per_atom_mae", "val_energy_per_atom_rmse", "val_forces_mae"} < set(row)
    assert "val_energy_mae" not in row


@pytest.mark.parametrize(
    ("name", "reduction"), [("forces", "per_atom_mae"), ("energy", "cosine_sim")]
)
def test_reductions_without_meaning_are_refused(name, reduction):
    with pytest.raises(ValueError, match=f"{reduction} must be of"):
        MetricConfig(name=name, reductions=(reduction,))
