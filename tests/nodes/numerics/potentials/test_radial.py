"""Radial bases against their formulas, slopes against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.potentials.radial import Bessel, Gaussian

CUTOFF = 5.0
R = np.linspace(0.3, 5.5, 40)
BASES = [Bessel(16), Bessel(1), Gaussian(7), Gaussian(9, 0.8, "exponential")]


def functions(basis, r):
    elementary = basis.elementary(jnp.asarray(r)[None], CUTOFF)[0]
    return basis.combination(CUTOFF) @ np.asarray(elementary)


def cutoff_function():
    return np.where(R < CUTOFF, 0.5 * (np.cos(np.pi * R / CUTOFF) + 1), 0)


def test_bessel_basis_equals_its_formula():
    n = np.arange(16)[:, None]
    sinc = np.sinc((n + 1) * R / CUTOFF) + np.sinc((n + 2) * R / CUTOFF)
    expected = (-1.0) ** n * np.sqrt(2) * np.pi * CUTOFF**-1.5 * sinc * cutoff_function()
    with jax.enable_x64(True):
        np.testing.assert_allclose(functions(Bessel(16), R), expected, atol=1e-12)
    single = functions(Bessel(16), R.astype(np.float32))
    np.testing.assert_allclose(single, expected, rtol=1e-5, atol=5e-6)


def test_gaussian_bases_equal_their_formulas():
    n = np.arange(7)[:, None]
    beta = (7 / CUTOFF) ** 2
    centers = 0.5 + n * (CUTOFF - 0.5) / 7
    linear = (2 * beta / np.pi) ** 0.25 * np.exp(-beta * (centers - R) ** 2)
    low, high = np.exp(-CUTOFF), np.exp(-0.5)
    beta = ((2 / 7) * (high - low)) ** -2
    exponential = np.exp(-beta * (np.linspace(low, high, 7)[:, None] - np.exp(-R)) ** 2)
    with jax.enable_x64(True):
        for spacing, expected in (("linear", linear), ("exponential", exponential)):
            received = functions(Gaussian(7, 0.5, spacing), R)
            np.testing.assert_allclose(received, expected * cutoff_function(), atol=1e-12)


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_expansions_and_their_slopes(basis):
    h, rows = 1e-5, R.reshape(5, 8)
    coefficients = np.random.default_rng(0).normal(size=(5, 3, basis.n_basis))
    with jax.enable_x64(True):

        def expand(r):
            return basis.expand(jnp.asarray(coefficients), jnp.asarray(r), CUTOFF)

        values, slopes = expand(rows)
        expected = [c @ functions(basis, r) for c, r in zip(coefficients, rows, strict=True)]
        np.testing.assert_allclose(values, expected, atol=1e-10)
        difference = (expand(rows + h)[0] - expand(rows - h)[0]) / (2 * h)
        np.testing.assert_allclose(slopes, difference, atol=1e-6)
