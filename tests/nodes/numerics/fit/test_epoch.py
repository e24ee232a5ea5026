"""Sums and metrics on ragged data against NumPy; one program for all epochs."""

import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.fit import FitConfig
from nodes.numerics.fit.epoch import EpochProgram, Rates, initial_state, metrics_of, run_epoch
from nodes.numerics.fit.losses import ensemble_mean_std, loss_function
from nodes.numerics.fit.packing import label, pack


@pytest.mark.parametrize("forces_loss", ["huber", "crps"])
def test_metrics_of_ragged_sets_equal_numpy(model, train, forces_loss):
    # Batches of 4 over 9 structures of two sizes: padded atoms and a batch that is filled up.
    config = FitConfig(batch_size=4, forces_loss=forces_loss, energy_weight=2.0, ema=0.0)
    rates = Rates.of(config, 9)
    structures = train[-9:]
    structures[0] = dataclasses.replace(structures[0], forces=None)
    params = model.init(jax.random.key(0))
    params["constants"]["feature_scale"] += 30.0
    reference = np.array([-1.0, -2.0])
    data = label(pack(structures, model.config), structures, reference)
    state = initial_state(params["weights"])
    state, train_sums, valid_sums = run_epoch(
        EpochProgram.of(model, config),
        rates,
        state,
        params["constants"],
        jax.random.key(1),
        data,
        data,
    )
    assert float(train_sums.n_energies) == 9
    metrics = metrics_of(rates, 1, *jax.device_get((train_sums, valid_sums)))

    constants = {**params["constants"], "reference": reference}
    trained = {"weights": jax.device_get(state.average), "constants": constants}
    predictions = model.predict_many(trained, structures, forces_std=True)
    pairs = [(p, s) for p, s in zip(predictions, structures, strict=True) if s.forces is not None]
    error = np.array(
        [(p.energy - s.energy) / len(s) for p, s in zip(predictions, structures, strict=True)]
    )
    std = np.array([p.energy_std / len(s) for p, s in zip(predictions, structures, strict=True)])
    forces = np.concatenate([p.forces - s.forces for p, s in pairs])
    forces_std = np.concatenate([p.forces_std for p, _ in pairs])
    expected = 2.0 * np.mean(loss_function("crps", 0.1)(error, std))
    expected += np.mean(loss_function(forces_loss, 0.1)(forces, forces_std))
    assert metrics.valid_loss == pytest.approx(float(expected), rel=1e-3)
    assert metrics.forces_mae_ev_per_angstrom == pytest.approx(np.abs(forces).mean(), rel=1e-4)
    assert metrics.energy_rmse_ev_per_atom == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-3)


def test_group_rates_reach_their_weights(model, train):
    config = FitConfig(batch_size=4, radial_learning_rate=1e-30, scale_shift_learning_rate=1e-30)
    rates = Rates.of(config, 4)
    params = model.init(jax.random.key(0))
    data = label(pack(train[:4], model.config), train[:4], np.zeros(2))
    state = initial_state(params["weights"])
    for seed in range(2):
        state, *_ = run_epoch(
            EpochProgram.of(model, config),
            rates,
            state,
            params["constants"],
            jax.random.key(seed),
            data,
            None,
        )
    np.testing.assert_array_equal(state.weights["radial"], params["weights"]["radial"])
    np.testing.assert_array_equal(state.weights["scale"], params["weights"]["scale"])
    moved = state.weights["layers"][0]["w"] - params["weights"]["layers"][0]["w"]
    assert np.abs(moved).max() > 0
    assert ensemble_mean_std(state.weights["layers"][-1]["w"], axis=1)[1].min() > 0
