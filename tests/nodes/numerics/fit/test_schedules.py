import numpy as np
import pytest

from nodes.numerics.fit.schedules import (
    Constant,
    CyclicCosine,
    Length,
    Linear,
    Plateau,
    WarmupCosine,
)

LENGTH = Length(n_steps=100, steps_per_epoch=5)
STEPS = np.arange(100)


def test_constant():
    np.testing.assert_array_equal(Constant().rates(0.1, STEPS, LENGTH), 0.1)


def test_linear_reaches_its_end_after_as_many_steps_as_the_fit_has():
    rates = Linear(end_value=0.02).rates(0.1, np.array([0, 50, 100]), LENGTH)
    np.testing.assert_allclose(rates, [0.1, 0.06, 0.02])
    late = Linear(transition_begin=50, end_value=0.02).rates(0.1, np.array([50, 100]), LENGTH)
    np.testing.assert_allclose(late, [0.1, 0.06])


def test_cyclic_cosine_starts_again_lower():
    schedule = CyclicCosine(period=4, decay_factor=0.5)
    rates = schedule.rates(0.1, np.array([0, 10, 19, 20, 30, 40]), LENGTH)
    np.testing.assert_allclose(rates[[0, 1, 3, 4, 5]], [0.1, 0.05, 0.05, 0.025, 0.025])
    assert rates[2] < 0.001


def test_warm_up_and_cosine():
    rates = WarmupCosine(warm_up=0.1, end_factor=0.2).rates(1.0, STEPS, LENGTH)
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) / 10)
    assert np.all(np.diff(rates[10:]) < 0)
    assert rates[-1] == pytest.approx(0.2)
    assert WarmupCosine(warm_up=0.0).rates(1.0, STEPS, LENGTH)[0] == pytest.approx(1.0, abs=1e-3)


def test_a_plateau_lowers_the_rates_and_counts_anew():
    schedule = Plateau(patience=2, decay_factor=0.1, min_factor=0.005)
    falling = [5.0, 4.0, 3.0]
    assert schedule.factor([]) == 1.0
    assert schedule.factor([*falling, 3.0]) == 1.0
    assert schedule.factor([*falling, 3.0, 3.5]) == 0.1
    assert schedule.factor([*falling, 3.0, 3.5, 3.2]) == 0.1
    assert schedule.factor([*falling, 3.0, 3.5, 3.2, 3.1]) == pytest.approx(0.01)
    assert schedule.factor([*falling, *[3.0] * 20]) == 0.005
    assert Plateau(patience=2, min_delta=2.0, decay_factor=0.1).factor(falling) == 0.1
    np.testing.assert_array_equal(schedule.rates(0.1, STEPS, LENGTH), 0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(transition_begin=-1), "transition_begin must be at least 0"),
        (lambda: Linear(end_value=-1.0), "end_value must be at least 0"),
        (lambda: CyclicCosine(period=0), "period must be at least 1, received 0"),
        (lambda: WarmupCosine(warm_up=1.0), "warm_up must be at least 0 and less than 1"),
        (lambda: WarmupCosine(end_factor=2.0), "end_factor must be between 0 and 1"),
        (lambda: Plateau(decay_factor=0.0), "decay_factor must be more than 0 and at most 1"),
        (lambda: Plateau(patience=0), "patience must be at least 1"),
    ],
)
def test_values_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()
