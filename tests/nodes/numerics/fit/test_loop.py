"""fit(): it learns, it resumes exactly, and what it returns is what it validated."""

import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.fit import FitConfig, fit
from nodes.numerics.fit.epoch import run_epoch
from nodes.numerics.storage import flatten

CONFIG = FitConfig(n_epochs=8, batch_size=4, learning_rate=1e-2, ema=0.9, checkpoint_interval=3)


class Killed(Exception):
    pass


def assert_same_bits(a, b):
    a, b = flatten(a), flatten(b)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_learns_forces(model, train, valid):
    result = fit(model, train, valid, dataclasses.replace(CONFIG, n_epochs=80))
    spread = np.std(np.concatenate([s.forces for s in valid]))
    assert result.history[-1].forces_mae_ev_per_angstrom < 0.2 * spread
    assert result.history[-1].energy_mae_ev_per_atom < 0.03


def test_returned_weights_are_those_that_were_validated(model, train, valid):
    result = fit(model, train, valid, CONFIG)
    losses = [metrics.valid_loss for metrics in result.history]
    assert result.best_epoch == int(np.argmin(losses)) + 1
    best = result.history[result.best_epoch - 1]
    predictions = model.predict_many(result.params, valid)
    forces = np.concatenate([p.forces - s.forces for p, s in zip(predictions, valid, strict=True)])
    energies = [(p.energy - s.energy) / len(s) for p, s in zip(predictions, valid, strict=True)]
    assert best.forces_mae_ev_per_angstrom == pytest.approx(np.abs(forces).mean(), rel=1e-4)
    assert best.forces_rmse_ev_per_angstrom == pytest.approx(np.sqrt((forces**2).mean()), rel=1e-4)
    assert best.energy_mae_ev_per_atom == pytest.approx(np.abs(energies).mean(), rel=1e-3)


@pytest.mark.parametrize("killed_after", [2, 5])
def test_resume_gives_the_same_bits(model, train, valid, tmp_path, killed_after):
    whole = fit(model, train, valid, CONFIG, checkpoint_dir=tmp_path / "whole")

    def kill(metrics):
        if metrics.epoch == killed_after:
            raise Killed

    with pytest.raises(Killed):
        fit(model, train, valid, CONFIG, checkpoint_dir=tmp_path / "cut", on_epoch=kill)
    epochs = []
    resumed = fit(
        model, train, valid, CONFIG, checkpoint_dir=tmp_path / "cut",
        on_epoch=lambda metrics: epochs.append(metrics.epoch),
    )  # fmt: skip
    assert epochs == list(range(killed_after - killed_after % 3 + 1, 9))
    assert resumed.history == whole.history
    assert resumed.best_epoch == whole.best_epoch
    assert_same_bits(resumed.params, whole.params)


def test_checkpoint_of_another_fit_is_refused(model, train, valid, tmp_path):
    config = dataclasses.replace(CONFIG, n_epochs=1)
    fit(model, train, valid, config, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="received one of other data, model or settings"):
        fit(model, train[::-1], valid, config, checkpoint_dir=tmp_path)


def test_runs_of_the_same_seed_agree_and_others_differ(model, train, valid):
    config = dataclasses.replace(CONFIG, n_epochs=2)
    a, b = (fit(model, train, valid, config).params for _ in range(2))
    assert_same_bits(a, b)
    other = fit(model, train, valid, dataclasses.replace(config, seed=1)).params
    assert not np.array_equal(a["weights"]["radial"], other["weights"]["radial"])


def test_patience_ends_a_fit(model, train, valid):
    config = dataclasses.replace(CONFIG, learning_rate=1e-12, patience=2, ema=0.0)
    result = fit(model, train, valid, config)
    assert len(result.history) - result.best_epoch == 2 or len(result.history) == 8
    assert len(result.history) < 8


def test_goes_on_from_initial_parameters(model, train, valid):
    first = fit(model, train, valid, dataclasses.replace(CONFIG, n_epochs=4))
    gentle = dataclasses.replace(CONFIG, n_epochs=1, learning_rate=1e-12, ema=0.0)
    second = fit(model, train, valid, gentle, initial=first.params)
    assert second.history[0].valid_loss == pytest.approx(
        first.history[first.best_epoch - 1].valid_loss, rel=1e-5
    )
    assert_same_bits(second.params["constants"], first.params["constants"])


def test_no_validation_returns_the_last_epoch(model, train):
    result = fit(model, train, [], dataclasses.replace(CONFIG, n_epochs=2))
    assert result.best_epoch == 2
    assert result.history[-1].valid_loss is None


def test_missing_labels_do_not_count(model, train, valid):
    bare = [dataclasses.replace(s, forces=None) for s in train]
    config = dataclasses.replace(CONFIG, n_epochs=2)
    without = fit(model, [*bare[:3], *train[3:]], valid, config)
    no_energy = [dataclasses.replace(s, energy=None) for s in train]
    held_out = [dataclasses.replace(s, energy=None) for s in valid]
    only_forces = fit(model, no_energy, held_out, dataclasses.replace(config, energy_weight=7.0))
    again = fit(model, no_energy, held_out, dataclasses.replace(config, energy_weight=0.0))
    assert np.isfinite(without.history[-1].train_loss)
    assert_same_bits(only_forces.params, again.params)


def test_impossible_fits_are_refused(model, train):
    bare = [dataclasses.replace(s, energy=None, forces=None) for s in train]
    with pytest.raises(ValueError, match="must hold at least one structure with energy or forces"):
        fit(model, bare, [], CONFIG)
    single = dataclasses.replace(model, config=dataclasses.replace(model.config, n_members=1))
    with pytest.raises(ValueError, match=r"must be 'mse' or 'huber' for a model with one member"):
        fit(single, train, [], CONFIG)


def test_diverging_fit_says_so(model, train, valid):
    params = model.init(jax.random.key(0))
    params["weights"]["shift"] += np.nan
    with pytest.raises(FloatingPointError, match="the loss must stay finite, received nan in ep"):
        fit(model, train, valid, CONFIG, initial=params)


def test_changed_numbers_share_one_program(model, train, valid):
    fit(model, train, valid, dataclasses.replace(CONFIG, n_epochs=1))
    programs = run_epoch._cache_size()
    changed = dataclasses.replace(
        CONFIG, n_epochs=2, learning_rate=1e-4, energy_weight=3.0, seed=7, ema=0.5, patience=1
    )
    fit(model, train, valid, changed)
    assert run_epoch._cache_size() == programs
