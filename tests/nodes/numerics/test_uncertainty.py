import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from nodes.numerics.uncertainty import (
    crps,
    miscalibration_area,
    nll,
    reliability_curve,
    spread_factor,
    spread_table,
)


def sample(n=4000, factor=1.0, seed=0):
    """Errors of `factor` times the standard deviations."""
    rng = np.random.default_rng(seed)
    stds = rng.uniform(0.1, 2.0, n)
    return factor * stds * rng.normal(size=n), stds


@pytest.mark.parametrize("score", ["nll", "crps"])
@pytest.mark.parametrize("factor", [0.2, 1.0, 7.0])
def test_the_factor_is_found_again(score, factor):
    assert spread_factor(*sample(factor=factor), score=score) == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize(("score", "mean"), [("nll", nll), ("crps", crps)])
def test_the_factor_makes_the_score_the_lowest(score, mean):
    errors, stds = sample(200, factor=3.0)
    errors[:5] *= 10.0
    found = minimize_scalar(lambda f: mean(errors, np.exp(f) * stds), bounds=(-3, 5)).x
    assert spread_factor(errors, stds, score=score) == pytest.approx(np.exp(found), rel=1e-4)


def test_outliers_count_less_in_the_crps():
    errors, stds = sample()
    errors[:40] *= 30.0
    assert spread_factor(errors, stds, score="crps") < 0.6 * spread_factor(errors, stds)


def test_the_crps_is_the_integral_that_defines_it():
    """The squared difference of the distribution function and the step at the true value."""
    error, std = 0.7, 0.4
    x = np.linspace(-10.0, 10.0, 200_001)
    integrand = (norm.cdf(x / std) - (x >= -error)) ** 2
    assert crps([error], [std]) == pytest.approx(np.trapezoid(integrand, x), rel=1e-4)


def test_the_reliability_curve_is_the_diagonal_for_a_right_spread():
    expected, observed = reliability_curve(*sample(20_000))
    assert len(expected) == 21
    np.testing.assert_allclose(observed, expected, atol=0.015)
    assert miscalibration_area(*sample(20_000)) < 0.01


def test_too_small_a_spread_lies_below_and_its_area_is_known():
    errors, stds = sample(50_000, factor=2.0)
    expected, observed = reliability_curve(errors, stds, 50)
    assert (observed[1:-1] < expected[1:-1]).all()
    exact = np.linspace(0.0, 1.0, 2001)
    inside = 2.0 * norm.cdf(norm.ppf((1.0 + exact) / 2.0) / 2.0) - 1.0
    area = np.trapezoid(np.abs(inside - exact), exact)
    assert miscalibration_area(errors, stds) == pytest.approx(area, abs=0.005)


def test_bins_of_equal_number_compare_spread_and_error():
    errors, stds = sample(20_000, factor=1.5)
    table = spread_table(errors, stds, 8)
    assert table.n_values.tolist() == [2500] * 8
    assert (np.diff(table.std) > 0).all()
    np.testing.assert_allclose(table.rmse / table.std, 1.5, rtol=0.06)
    assert spread_table([1.0, 2.0], [1.0, 1.0], 10).n_values.tolist() == [1, 1]


def test_unusable_values_are_refused():
    with pytest.raises(ValueError, match=r"of one length, .* shapes \(2,\) and \(1,\)"):
        spread_factor([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="finite and stds not negative"):
        spread_factor([1.0], [-1.0])
    with pytest.raises(ValueError, match="score must be 'nll' or 'crps', received 'mae'"):
        spread_factor([1.0], [1.0], score="mae")
    with pytest.raises(ValueError, match="for most values, received 100% zeros"):
        spread_factor([0.0], [1.0], score="crps")
    with pytest.raises(ValueError, match="errors must not all be zero"):
        spread_factor([0.0], [1.0])
