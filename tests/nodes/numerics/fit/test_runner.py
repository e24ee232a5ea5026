import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.fit.epoch import initial_state
from nodes.numerics.fit.metrics import EpochMetrics
from nodes.numerics.fit.packing import pack
from nodes.numerics.fit.runner import Runner
from nodes.numerics.fit.schedules import Constant, Plateau

from .conftest import CONFIG


@pytest.fixture(scope="module")
def data(model, train):
    return pack(model, train, np.zeros(2), batch_size=4)


def epochs(model, params, data, config, count=2):
    runner = Runner.of(model, config, params, data, data)
    state, history = initial_state(runner.program, params["weights"]), []
    for _ in range(count):
        state, metrics = runner.epoch(state, history)
        history.append(metrics)
    return jax.device_get(state), history


@pytest.mark.slow
def test_streamed_data_give_the_same_as_resident_ones(model, params, data, monkeypatch):
    monkeypatch.setattr("nodes.numerics.fit.runner._STEPS_AT_ONCE", 2)
    resident, expected = epochs(model, params, data, CONFIG)
    streamed, found = epochs(model, params, data, dataclasses.replace(CONFIG, resident_gib=0.0))
    for a, b in zip(jax.tree.leaves(resident), jax.tree.leaves(streamed), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert found[-1].row() == pytest.approx(expected[-1].row(), rel=1e-4)


def test_learning_rates_and_decays_of_an_epoch(model, params, data):
    optimizer = dataclasses.replace(
        CONFIG.optimizer, schedule=Plateau(patience=1, decay_factor=0.5)
    )
    config = dataclasses.replace(CONFIG, optimizer=optimizer, ema=0.9, ema_start_epoch=1)
    runner = Runner.of(model, config, params, data, ())
    first = runner._pace([])
    assert first.rates.shape == (4, 4)
    np.testing.assert_allclose(first.rates[0], [7e-3, 8e-3, 9e-3, 1e-2])
    np.testing.assert_array_equal(first.decay, 0.0)
    history = [EpochMetrics(1, 1.0, 2.0), EpochMetrics(2, 1.0, 2.0)]
    second, third = runner._pace(history[:1]), runner._pace(history)
    np.testing.assert_allclose(second.decay, [(1 + s) / (10 + s) for s in range(4)])
    np.testing.assert_array_equal(second.rates, first.rates)
    np.testing.assert_allclose(third.rates, 0.5 * first.rates)
    assert third.decay[-1] == pytest.approx(8 / 17)
    steady = dataclasses.replace(optimizer, schedule=Constant())
    runner = Runner.of(model, dataclasses.replace(CONFIG, optimizer=steady), params, data, ())
    np.testing.assert_array_equal(runner._pace(history).rates, first.rates)
