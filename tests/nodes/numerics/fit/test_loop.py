"""fit(): it learns, it resumes exactly, and what it returns is what it validated."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from nodes.numerics.fit import (
    Constant,
    CyclicCosine,
    FitConfig,
    Linear,
    Loss,
    Plateau,
    Transfer,
    fit,
)
from nodes.numerics.fit.scale_shift import EnergyRms, MeanAtomEnergy
from nodes.numerics.potentials.precision import Precision
from nodes.numerics.storage import flatten

from .conftest import CONFIG, Charge, small_model


class Killed(Exception):
    pass


def changed(**fields):
    return dataclasses.replace(CONFIG, **fields)


def optimizer(**fields):
    return changed(optimizer=dataclasses.replace(CONFIG.optimizer, **fields))


@pytest.fixture(scope="module")
def whole(model, train, valid):
    """What CONFIG gives."""
    return fit(model, train, valid, CONFIG)


def assert_same_bits(a, b):
    a, b = flatten(a), flatten(b)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_learns_forces(model, train, valid):
    result = fit(model, train, valid, changed(n_epochs=150))
    first, last = result.history[0], result.history[-1]
    assert last.forces_mae_ev_per_angstrom < 0.5 * first.forces_mae_ev_per_angstrom
    assert last.energy_mae_ev_per_atom < 0.5 * first.energy_mae_ev_per_atom


def test_returned_weights_are_those_that_were_validated(model, valid, whole):
    losses = [metrics.valid_loss for metrics in whole.history]
    assert whole.best_epoch == int(np.argmin(losses)) + 1
    best = whole.history[whole.best_epoch - 1]
    predictions = model.predict_many(whole.params, valid)
    forces = np.concatenate([p.forces - s.forces for p, s in zip(predictions, valid, strict=True)])
    energies = [(p.energy - s.energy) / len(s) for p, s in zip(predictions, valid, strict=True)]
    assert best.forces_mae_ev_per_angstrom == pytest.approx(np.abs(forces).mean(), rel=1e-4)
    assert best.forces_rmse_ev_per_angstrom == pytest.approx(np.sqrt((forces**2).mean()), rel=1e-4)
    assert best.energy_mae_ev_per_atom == pytest.approx(np.abs(energies).mean(), rel=1e-3)
    again = fit(model, valid, valid, changed(n_epochs=1, optimizer=dataclasses.replace(
        CONFIG.optimizer, learning_rate=1e-6, rates={"representation": 2e-7, "scale": 3e-7,
        "shift": 4e-7})), initial=whole.params)  # fmt: skip
    assert again.history[0].valid_loss == pytest.approx(best.valid_loss, rel=1e-3)


@pytest.mark.parametrize("killed_after", [1, 3])
def test_resume_gives_the_same_bits(model, train, valid, whole, tmp_path, killed_after):
    def kill(metrics):
        if metrics.epoch == killed_after:
            raise Killed

    with pytest.raises(Killed):
        fit(model, train, valid, CONFIG, checkpoint_dir=tmp_path, on_epoch=kill)
    epochs = []
    resumed = fit(
        model, train, valid, CONFIG, checkpoint_dir=tmp_path,
        on_epoch=lambda metrics: epochs.append(metrics.epoch),
    )  # fmt: skip
    assert epochs == list(range(killed_after - killed_after % 3 + 1, 5))
    assert resumed.history == whole.history
    assert resumed.best_epoch == whole.best_epoch
    assert_same_bits(resumed.params, whole.params)


def test_checkpoint_of_another_fit_is_refused(model, train, valid, tmp_path):
    config = changed(n_epochs=1)
    fit(model, train, valid, config, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="received one of other data, model or settings"):
        fit(model, train[::-1], valid, config, checkpoint_dir=tmp_path)


def test_runs_of_the_same_seed_agree(model, train, valid, whole):
    again = fit(model, train, valid, CONFIG)
    assert_same_bits(again.params, whole.params)
    assert again.n_compilations == 0
    assert whole.shapes == ((4, 16),)


CHANGES = {
    "n_epochs": changed(n_epochs=5),
    "losses.weight": changed(losses=(Loss("energy", "crps", weight=9.0), CONFIG.losses[1])),
    "losses.atoms_exponent": changed(
        losses=(Loss("energy", "crps", atoms_exponent=2.0), CONFIG.losses[1])
    ),
    "losses.delta": changed(losses=(CONFIG.losses[0], Loss("forces", "huber", delta=0.01))),
    "optimizer.learning_rate": optimizer(learning_rate=2e-2),
    "optimizer.rates": optimizer(
        rates={"representation": 9e-3, "scale": 8e-3, "shift": 1e-3}
    ),
    "optimizer.schedule": optimizer(schedule=Constant()),
    "linear": optimizer(schedule=Linear()),
    "cyclic": optimizer(schedule=CyclicCosine(period=2)),
    "plateau": optimizer(schedule=Plateau(patience=1, min_delta=100.0)),
    "optimizer.max_norm": optimizer(max_norm=1e-6),
    "optimizer.max_value": optimizer(max_value=1e-6),
    "shift": changed(shift=MeanAtomEnergy()),
    "scale": changed(scale=EnergyRms()),
    "normalise_features": changed(normalise_features=False),
    "ema": changed(ema=0.5),
    "ema_start_epoch": changed(ema_start_epoch=2),
    "seed": changed(seed=1),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_every_setting_changes_the_outcome(model, train, valid, whole, name):
    other = fit(model, train, valid, CHANGES[name])
    assert other.n_compilations == 0
    a, b = (flatten(result.params) for result in (whole, other))
    assert any(np.any(a[key] != b[key]) for key in a)


RECOMPILED = {
    "batch_size": changed(batch_size=2, n_epochs=1),
    "losses.kind": changed(losses=(Loss("energy"), Loss("forces", "nll")), n_epochs=1),
    "optimizer.name": changed(
        n_epochs=1, optimizer=dataclasses.replace(CONFIG.optimizer, name="sgd")
    ),
    "optimizer.kwargs": changed(
        n_epochs=1, optimizer=dataclasses.replace(CONFIG.optimizer, kwargs={"b1": 0.5})
    ),
    "optimizer.freeze": changed(
        n_epochs=1, optimizer=dataclasses.replace(CONFIG.optimizer, freeze=("layers.0",))
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECOMPILED)
def test_every_setting_of_the_program_changes_the_outcome(model, train, valid, name):
    a, b = (
        flatten(fit(model, train, valid, config).params["weights"])
        for config in (changed(n_epochs=1), RECOMPILED[name])
    )
    assert any(np.any(a[key] != b[key]) for key in a)
    if name == "optimizer.freeze":
        start = flatten(model.init(jax.random.key(CONFIG.seed))["weights"])
        frozen = [key for key in start if "['layers'][0]" in key]
        assert len(frozen) == 2
        for key in frozen:
            np.testing.assert_array_equal(b[key], start[key])


def test_patience_and_min_delta_stop_early(model, train, valid):
    config = changed(n_epochs=12, patience=2, min_delta=1e3)
    assert len(fit(model, train, valid, config).history) == 3
    assert len(fit(model, train, valid, changed(n_epochs=4, patience=4)).history) == 4


def test_validation_has_a_batch_size_of_its_own_that_changes_nothing(model, train, valid, whole):
    other = fit(model, train, valid, changed(valid_batch_size=5))
    assert other.history[-1].valid_loss == pytest.approx(whole.history[-1].valid_loss, rel=1e-4)
    assert other.n_compilations == 1


@pytest.mark.slow
def test_two_shapes_are_two_shapes_and_one_program(model, mixed, valid):
    result = fit(model, mixed, valid, changed(max_shapes=2))
    assert result.shapes == ((4, 16), (8, 16))
    assert result.n_compilations == 1
    single = fit(model, mixed, valid, changed(max_shapes=1))
    assert single.shapes == ((8, 16),)


def test_an_initial_model_is_a_better_start(model, train, valid, whole):
    config = changed(n_epochs=1)
    fresh = fit(model, train, valid, config).history[0].train_loss
    for initial in (whole.params, (model, whole.params)):
        assert fit(model, train, valid, config, initial=initial).history[0].train_loss < fresh
    rules = Transfer(reset=("layers",))
    reset = fit(
        model, train, valid, changed(n_epochs=1, transfer=rules), initial=(model, whole.params)
    )
    assert reset.history[0].train_loss != fresh


def test_without_validation_the_last_epoch_is_the_best(model, train, whole):
    result = fit(model, train, [], CONFIG)
    assert result.best_epoch == 4
    assert result.history[-1].valid_loss is None
    assert result.history[-1].train_loss == whole.history[-1].train_loss


@pytest.mark.slow
def test_float64_is_a_matter_of_the_model(train):
    model = small_model(precision=Precision("float64", "float64", "float64"))
    config = changed(n_epochs=1, losses=(Loss("energy"), Loss("forces")))
    result = fit(model, train, [], config)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(result.params)} == {"float64"}
    assert not jax.config.jax_enable_x64


@pytest.mark.slow
def test_heads_are_trained(train, valid):
    model = small_model(heads=(Charge("count", False),))
    labelled = [
        [dataclasses.replace(s, properties={"count": np.sum(s.numbers == 29)}) for s in part]
        for part in (train, valid)
    ]
    config = changed(losses=(Loss("count"),), n_epochs=60)
    history = fit(model, *labelled, config).history
    errors = [epoch.details["valid_count_mae"] for epoch in (history[0], history[-1])]
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (
            (Loss("charge"),),
            r"must name one of \['energy', 'forces', 'stress'\], received 'charge'",
        ),
        ((Loss("stress"),), "at least one structure with stress, received 2 structures without"),
    ],
)
def test_losses_must_suit_model_and_labels(model, train, losses, message):
    bare = [dataclasses.replace(s, stress=None) for s in train[:2]]
    with pytest.raises(ValueError, match=message):
        fit(model, bare, [], FitConfig(losses=losses))


def test_one_member_has_no_spread(train):
    with pytest.raises(ValueError, match="'mse' or 'huber' for a model with one member"):
        fit(small_model(n_members=1), train, [], CONFIG)


def test_divergence_is_told(model, train, valid):
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        fit(model, train, valid, optimizer(learning_rate=1e30))


PARALLEL = """
import jax
from conftest import CONFIG, crystals, small_model
from nodes.numerics.fit import fit
import dataclasses
train = crystals(14, 0)
one, two = (
    fit(small_model(), train, train[:4], dataclasses.replace(CONFIG, n_devices=n, n_epochs=2))
    for n in (1, None)
)
assert len(jax.devices()) == 2
for a, b in zip(one.history, two.history, strict=True):
    assert abs(a.train_loss / b.train_loss - 1) < 1e-3, (a, b)
    assert abs(a.valid_loss / b.valid_loss - 1) < 1e-3, (a, b)
print(two.params["weights"]["scale"].sharding.device_set, two.n_compilations)
"""


@pytest.mark.slow
def test_two_devices_give_what_one_gives():
    flags = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-c", PARALLEL],
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(Path(__file__).parent)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
