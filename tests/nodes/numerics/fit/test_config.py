import pytest

from nodes.numerics.fit import FitConfig, Loss, Optimizer, Transfer


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FitConfig(n_epochs=0), "n_epochs must be at least 1, received 0"),
        (lambda: FitConfig(valid_batch_size=0), "valid_batch_size must be at least 1"),
        (lambda: FitConfig(patience=0), "patience must be at least 1"),
        (lambda: FitConfig(ema=1.0), "ema must be at least 0 and less than 1, received 1.0"),
        (lambda: FitConfig(min_delta=-1.0), "min_delta must not be negative"),
        (lambda: FitConfig(losses=()), "at least one with a positive weight"),
        (lambda: FitConfig(losses=(Loss("energy"),) * 2), "must differ in name or kind"),
        (lambda: Loss("energy", "mae"), r"kind of 'energy' must be one of .* received 'mae'"),
        (lambda: Loss("energy", "cosine_sim"), "kind of 'energy' must be one of"),
        (lambda: Loss("stress", "crps"), r"\('mse', 'huber', 'tril'\), received 'crps'"),
        (lambda: Loss("energy", weight=-1.0), "weight must not be negative"),
        (lambda: Loss("energy", delta=0.0), "delta must be positive"),
        (lambda: Optimizer(learning_rate=-1.0), "learning rates must not be negative"),
        (lambda: Optimizer(rates={"scale": -1.0}), "learning rates must not be negative"),
        (lambda: Optimizer(max_norm=0.0), "max_norm must be positive or None"),
    ],
)
def test_values_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_member_forces_are_needed_by_probabilistic_losses_of_forces_only():
    assert not FitConfig().needs_members
    assert FitConfig(losses=(Loss("forces", "nll"),)).needs_members
    assert FitConfig(losses=(Loss("forces", "nll_3x3"),)).needs_members
    losses = (Loss("forces", "nll", weight=0.0), Loss("energy", "nll"))
    assert not FitConfig(losses=losses).needs_members


def test_configs_can_be_compared_and_hashed():
    made = [FitConfig(optimizer=Optimizer(kwargs={"b1": 0.9, "b2": 0.99})) for _ in range(2)]
    assert made[0] == made[1]
    assert hash(made[0]) == hash(made[1])
    assert hash(Transfer(load=["*"])) == hash(Transfer())
