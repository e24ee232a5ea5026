"""Loss values against closed forms, numerical integrals and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from nodes.numerics.fit.losses import Compared, compare, ensemble_mean_std


def loss(kind, value, reference=0.0, std=1.0, members=None, delta=0.5):
    with jax.enable_x64(True):
        arrays = (value, reference, std, members)
        data = Compared(*(None if a is None else jnp.asarray(a, float) for a in arrays))
        return np.asarray(compare(kind, data, delta))


def test_mse_and_huber():
    assert loss("mse", -3.0) == 9.0
    assert loss("huber", 0.2) == pytest.approx(0.02)
    assert loss("huber", -2.0) == pytest.approx(0.5 * (2.0 - 0.25))


def test_nll_is_the_density_of_a_normal_distribution():
    expected = -stats.norm.logpdf(0.7, 0.0, 0.3) - 0.5 * np.log(2 * np.pi)
    assert loss("nll", 0.7, std=0.3) == pytest.approx(expected)


def test_crps_is_the_integral_over_the_squared_difference_of_distributions():
    error, std = 0.4, 0.3
    below = integrate.quad(lambda x: stats.norm.cdf(x, error, std) ** 2, -5, 0)[0]
    above = integrate.quad(lambda x: (stats.norm.cdf(x, error, std) - 1) ** 2, 0, 5)[0]
    assert loss("crps", error, std=std) == pytest.approx(below + above, rel=1e-7)
    assert loss("crps", -0.8, std=1e-9) == pytest.approx(0.8, rel=1e-6)


def test_nll_of_vectors_is_that_of_their_covariance():
    rng = np.random.default_rng(0)
    members = rng.normal(size=(6, 2, 4, 3)) @ rng.normal(size=(3, 3))
    value, reference = members.mean(axis=0), rng.normal(size=(2, 4, 3))
    found = loss("nll_3x3", value, reference, members=members)
    for b, n in np.ndindex(2, 4):
        covariance = np.cov(members[:, b, n].T) + 1e-5 * np.eye(3)
        density = stats.multivariate_normal.logpdf(reference[b, n], value[b, n], covariance)
        assert found[b, n] == pytest.approx(-density - 1.5 * np.log(2 * np.pi))


def test_two_members_span_a_line_and_the_rest_is_regularised():
    members = np.array([[[1.0, 0, 0]], [[-1.0, 0, 0]]])
    expected = 0.5 * (0.01 / 1e-5 + np.log(2.00001 * 1e-10))
    found = loss("nll_3x3", np.zeros((1, 3)), [[0, 0.1, 0]], members=members)
    assert found[0] == pytest.approx(expected, rel=1e-6)


def test_cosine_similarity_looks_at_the_angle_alone():
    value, reference = [[[2.0, 0, 0]]], [[[3.0, 3.0, 0]]]
    assert loss("cosine_sim", value, reference) == pytest.approx(1 - np.sqrt(0.5))
    size = np.sqrt(18)
    expected = (1 - np.sqrt(0.5)) / size
    assert loss("cosine_sim_div_magnitude", value, reference) == pytest.approx(expected)
    expected = (1 - np.sqrt(0.5)) * np.exp(-size)
    assert loss("cosine_sim_exp_magnitude", value, reference) == pytest.approx(expected)
    assert loss("cosine_sim", value, np.zeros((1, 1, 3))) == 1.0
    assert loss("cosine_sim_div_magnitude", value, np.zeros((1, 1, 3))) == 0.0


def test_tril_takes_six_components():
    value = np.arange(9.0).reshape(1, 3, 3)
    assert sorted(loss("tril", value, np.zeros((1, 3, 3)))[0]) == [0, 9, 16, 36, 49, 64]


def test_mean_and_std_over_members():
    members = np.random.default_rng(0).normal(size=(5, 3))
    mean, std = ensemble_mean_std(jnp.asarray(members), axis=0)
    np.testing.assert_allclose(mean, members.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(std, members.std(axis=0, ddof=1), rtol=1e-5)


@pytest.mark.parametrize("kind", ["nll", "nll_3x3", "cosine_sim", "cosine_sim_div_magnitude"])
def test_gradient_is_finite_when_all_is_zero(kind):
    def of(members):
        mean, std = ensemble_mean_std(members, axis=0)
        return jnp.sum(compare(kind, Compared(mean, jnp.zeros((2, 3)), std, members), 1.0))

    assert np.isfinite(jax.grad(of)(jnp.zeros((4, 2, 3)))).all()
