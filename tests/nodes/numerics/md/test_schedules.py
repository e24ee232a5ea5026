"""Schedules against values by hand, step by step."""

import jax
import numpy as np
import pytest

from nodes.numerics.md.schedules import Constant, Linear, OscillatingRamp, Piecewise


def values(schedule, n_steps, timestep_fs=0.5):
    at = jax.jit(lambda step: schedule.at(step, timestep_fs))
    return np.array([at(step) for step in range(n_steps)])


def test_constant():
    np.testing.assert_allclose(values(Constant(300.0), 3), 300.0)
    assert Constant(300).lowest == 300.0
    tensor = Constant([[1, 0, 0], [0, 2, 0], [0, 0, 3]])
    np.testing.assert_allclose(tensor.at(0, 0.5), np.diag([1.0, 2.0, 3.0]))
    assert hash(tensor) == hash(Constant(np.diag([1.0, 2.0, 3.0])))


def test_linear_stays_at_its_end():
    found = values(Linear(100.0, 300.0, duration_fs=10.0), 26)
    np.testing.assert_allclose(found[:21], 100 + 10.0 * np.arange(21), rtol=1e-6)
    np.testing.assert_allclose(found[20:], 300.0)
    assert Linear(300.0, 100.0, 1.0).lowest == 100.0


def test_piecewise_goes_through_its_values():
    schedule = Piecewise(100.0, [200, 200, 50], [2.0, 1.0, 3.0])
    times = 0.5 * np.arange(16)
    expected = np.interp(times, [0, 2, 3, 6], [100, 200, 200, 50])
    np.testing.assert_allclose(values(schedule, 16), expected, rtol=1e-6)
    assert schedule.lowest == 50.0


def test_oscillating_ramp():
    schedule = OscillatingRamp(300.0, 500.0, amplitude=50.0, n_oscillations=2.0, duration_fs=10.0)
    share = np.arange(20) / 20
    expected = 300 + 200 * share + 50 * np.sin(4 * np.pi * share)
    found = values(schedule, 24)
    np.testing.assert_allclose(found[:20], expected, rtol=1e-5)
    np.testing.assert_allclose(found[20:], 500.0)
    assert schedule.lowest == 300.0
    deep = OscillatingRamp(300.0, 300.0, amplitude=-50.0, n_oscillations=1.5, duration_fs=10.0)
    assert deep.lowest == pytest.approx(250.0, abs=0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant("warm"), "could not convert"),
        (lambda: Constant([1.0, 2.0]), "value must be a number or a matrix"),
        (lambda: Constant([[0, 1, 0], [0, 0, 0], [0, 0, 0]]), "value must be symmetric"),
        (lambda: Linear(1.0, float("nan"), 1.0), "end must be finite, received nan"),
        (lambda: Linear(1.0, 2.0, 0.0), "durations must be positive numbers of fs, received 0"),
        (lambda: Piecewise(1.0, (2.0,), (1.0, 2.0)), "must be equally many"),
        (lambda: OscillatingRamp(1.0, 2.0, 1.0, 1.0, -1.0), "durations must be positive"),
    ],
)
def test_wrong_fields_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
