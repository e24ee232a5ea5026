"""Spherical harmonics against SciPy's complex ones; Cartesian tensors by their definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import sph_harm_y

from nodes.numerics.potentials.equivariant.harmonics import (
    MAX_DEGREE,
    matrices_of,
    spherical_harmonics,
    vectors_of,
)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def unit():
    vectors = np.random.default_rng(0).normal(size=(4, 5, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def harmonics(unit, max_degree=MAX_DEGREE):
    return spherical_harmonics([jnp.asarray(unit[..., i]) for i in range(3)], max_degree)


@pytest.mark.parametrize("degree", range(MAX_DEGREE + 1))
def test_scipy_agrees(unit, degree):
    polar, azimuth = np.arccos(unit[..., 2]), np.arctan2(unit[..., 1], unit[..., 0])
    norm = np.sqrt(4 * np.pi / (2 * degree + 1))
    found = harmonics(unit)[degree]
    for m in range(-degree, degree + 1):
        value = norm * sph_harm_y(degree, abs(m), polar, azimuth)
        if m:
            value = np.sqrt(2) * (-1) ** m * (value.real if m > 0 else value.imag)
        np.testing.assert_allclose(found[:, degree + m], np.real(value), atol=1e-12)


def test_only_the_degrees_asked_for(unit):
    assert [values.shape for values in harmonics(unit, 1)] == [(4, 1, 5), (4, 3, 5)]


def test_degree_one_stands_for_the_vector_itself(unit):
    np.testing.assert_allclose(vectors_of(harmonics(unit)[1]), unit, atol=1e-14)


def test_degree_two_stands_for_the_traceless_square(unit):
    squares = 1.5 * unit[..., :, None] * unit[..., None, :] - 0.5 * np.eye(3)
    np.testing.assert_allclose(matrices_of(harmonics(unit)[2]), squares, atol=1e-14)
