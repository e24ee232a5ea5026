"""The compiled loops: shapes do not matter, the average lags behind, nothing compiles twice."""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest

from nodes.numerics.fit.epoch import (
    Numbers,
    Pace,
    Program,
    compilations,
    initial_state,
    run_training,
    run_validation,
)
from nodes.numerics.fit.metrics import metrics_of
from nodes.numerics.fit.packing import pack
from nodes.numerics.fit.parameters import groups_of
from nodes.numerics.fit.plan import plan

from .conftest import CONFIG

NUMBERS = Numbers.of(CONFIG)


@pytest.fixture(scope="module")
def program(model, params):
    return Program.of(model, CONFIG, groups_of(CONFIG.optimizer, params["weights"])[0], None)


@pytest.fixture(scope="module")
def constants(params):
    return {name: value for name, value in params["constants"].items() if name != "reference"}


def validated(program, params, constants, data, batch_size):
    whole = plan([len(part) for part in data], batch_size)
    return run_validation(
        program.objective, None, NUMBERS, params["weights"], constants, data, whole
    )


@pytest.mark.extensive
def test_metrics_do_not_depend_on_shapes_and_batches(model, params, constants, program, mixed):
    found = []
    for max_shapes, batch_size in ((1, 4), (2, 4)):
        data = pack(model, mixed, np.array([-1.0, -2.0]), max_shapes=max_shapes, batch_size=4)
        sums = validated(program, params, constants, data, batch_size)
        found.append(metrics_of(1, CONFIG.losses, 0.1, [sums], [sums]).row())
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    reference = {**params["constants"], "reference": np.array([-1.0, -2.0])}
    predictions = model.predict_many({**params, "constants": reference}, mixed)
    pairs = list(zip(predictions, mixed, strict=True))
    forces = np.concatenate([p.forces - s.forces for p, s in pairs])
    energies = np.array([(p.energy - s.energy) / len(s) for p, s in pairs])
    assert found[0]["valid_forces_mae"] == pytest.approx(np.abs(forces).mean(), rel=1e-4)
    assert found[0]["energy_rmse_ev_per_atom"] == pytest.approx(
        np.sqrt(np.mean(energies**2)), rel=1e-3
    )
    virials = np.array([p.virial - s.stress * s.volume for p, s in pairs])
    assert found[0]["valid_stress_mse"] == pytest.approx(np.mean(virials**2), rel=1e-3)


def run(program, params, constants, data, rates, decay, seed=0):
    whole = plan([len(part) for part in data], 4, np.random.default_rng(seed))
    steps = len(whole.shape)
    pace = Pace(np.tile(rates, (steps, 1)), np.full(steps, decay))
    state = initial_state(program, params["weights"])
    return run_training(program, NUMBERS, state, constants, data, whole, pace)


def test_groups_and_the_average_move_as_told(model, params, constants, program, train):
    data = pack(model, train, np.zeros(2))
    rates = np.array([0.0, 1e-3, 1e-2, 1e-1])
    before = compilations()
    state, sums = run(program, params, constants, data, rates, 0.0)
    peaks = groups_of(CONFIG.optimizer, params["weights"])[1]
    assert peaks == (7e-3, 8e-3, 9e-3, 1e-2)  # of shift, scale, representation and the rest
    old, new = params["weights"], state.weights
    np.testing.assert_array_equal(old["shift"], new["shift"])
    # The first steps of Adam are about as long as the learning rate.
    for name, rate in (("scale", 1e-3), ("representation", 1e-2), ("layers", 1e-1)):
        change = jax.tree.map(lambda a, b: np.abs(a - b).max(), old[name], new[name])
        assert 0.5 * rate < max(jax.tree.leaves(change)) < 6 * rate
    assert float(np.sum(sums.losses[:, 0, 1])) == len(train)
    # a + (w - a) is w up to rounding.
    follows = partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7)
    jax.tree.map(follows, state.average, state.weights)
    lagging, _ = run(program, params, constants, data, rates, 0.9)
    jax.tree.map(np.testing.assert_array_equal, lagging.weights, state.weights)
    distance = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), lagging.average, old)
    assert (
        0.0
        < distance["layers"][0]["w"]
        < 0.5 * np.abs(new["layers"][0]["w"] - old["layers"][0]["w"]).max()
    )
    assert compilations() == before + 1


def test_limits_of_the_gradient_reach_the_steps(model, params, constants, program, train):
    data = pack(model, train, np.zeros(2))
    rates = np.full(4, 1e-3)
    free, _ = run(program, params, constants, data, rates, 0.0)
    for limit in ("max_norm", "max_value"):
        optimizer = dataclasses.replace(CONFIG.optimizer, **{limit: 1e-9})
        numbers = Numbers.of(dataclasses.replace(CONFIG, optimizer=optimizer))
        whole = plan([len(train)], 4, np.random.default_rng(0))
        pace = Pace(np.tile(rates, (4, 1)), np.zeros(4))
        state = initial_state(program, params["weights"])
        clipped, _ = run_training(program, numbers, state, constants, data, whole, pace)
        assert np.any(clipped.weights["layers"][0]["w"] != free.weights["layers"][0]["w"])
