import pytest

from nodes.numerics.fit import FitConfig


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_epochs": 0}, "n_epochs must be at least 1, received 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"loss": "mae"}, "loss must be .* received 'mae'"),
        ({"ema": 1.0}, "ema must be at least 0 and less than 1, received 1.0"),
        ({"energy_weight": -1.0}, "weights must not be negative"),
    ],
)
def test_values_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        FitConfig(**change)


def test_member_forces_are_needed_by_probabilistic_losses_only():
    assert not FitConfig().needs_members
    assert FitConfig(forces_loss="nll").needs_members
    assert not FitConfig(forces_loss="nll", forces_weight=0.0).needs_members
