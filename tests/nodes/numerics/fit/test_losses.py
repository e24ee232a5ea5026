"""Loss values against closed forms and numerical integrals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from nodes.numerics.fit.losses import ensemble_mean_std, loss_function


def loss(name, error, std=1.0, delta=0.5):
    with jax.enable_x64(True):
        value = loss_function(name, delta)(jnp.asarray(error), jnp.asarray(std))
    return float(value)


def test_mse_and_huber():
    assert loss("mse", -3.0) == 9.0
    assert loss("huber", 0.2) == pytest.approx(0.02)
    assert loss("huber", -2.0) == pytest.approx(0.5 * (2.0 - 0.25))


def test_nll_is_the_density_of_a_normal_distribution():
    expected = -stats.norm.logpdf(0.7, 0.0, 0.3) - 0.5 * np.log(2 * np.pi)
    assert loss("nll", 0.7, 0.3) == pytest.approx(expected)


def test_crps_is_the_integral_over_the_squared_difference_of_distributions():
    error, std = 0.4, 0.3
    below = integrate.quad(lambda x: stats.norm.cdf(x, error, std) ** 2, -5, 0)[0]
    above = integrate.quad(lambda x: (stats.norm.cdf(x, error, std) - 1) ** 2, 0, 5)[0]
    assert loss("crps", error, std) == pytest.approx(below + above, rel=1e-7)
    assert loss("crps", -0.8, 1e-9) == pytest.approx(0.8, rel=1e-6)


def test_mean_and_std_over_members():
    members = np.random.default_rng(0).normal(size=(5, 3))
    mean, std = ensemble_mean_std(jnp.asarray(members), axis=0)
    np.testing.assert_allclose(mean, members.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(std, members.std(axis=0, ddof=1), rtol=1e-5)


def test_gradient_is_finite_when_members_agree():
    gradient = jax.grad(lambda m: jnp.sum(ensemble_mean_std(m, axis=0)[1]))(jnp.ones((4, 2)))
    assert np.isfinite(gradient).all()
