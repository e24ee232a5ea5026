"""Moments against explicit sums; their derivatives against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.potentials.invariants import MONOMIALS
from nodes.numerics.potentials.moments import Settings, moments, moments_tangent
from nodes.numerics.potentials.radial import Bessel
from nodes.numerics.potentials.representation import Edges

CUTOFF = 3.0
BASIS = Bessel(4)
VALUES = jax.jit(moments, static_argnums=0)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def edges():
    """Three atoms, the last one padding, with five slots, two of them empty."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3, 5, 3)) + 0.3
    sender = np.array([[0, 1, 1, 0, 1], [1, 1, 0, -1, -1], [-1] * 5])
    vectors[sender < 0] = [2 * CUTOFF, 0, 0]
    slots = jnp.zeros((3, 5), int)
    return Edges(jnp.asarray(vectors), jnp.array([0, 1, -1]), jnp.asarray(sender), slots)


COEFFICIENTS = np.random.default_rng(1).normal(size=(2, 2, 3, 4))


@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_moments_equal_their_sum(edges, offset):
    received = VALUES(Settings(BASIS, CUTOFF, offset), jnp.asarray(COEFFICIENTS), edges)
    vectors, expected = np.asarray(edges.vectors), np.zeros((3, 3, 20))
    distances = np.linalg.norm(vectors, axis=-1)
    functions = BASIS.combination(CUTOFF) @ np.asarray(BASIS.elementary(distances, CUTOFF))
    for atom, element in ((0, 0), (1, 1)):
        for slot, other in enumerate(np.asarray(edges.sender)[atom]):
            if other < 0:
                continue
            unit = vectors[atom, slot] / (distances[atom, slot] + offset)
            monomials = np.array([np.prod(unit[list(axes)]) for axes in MONOMIALS])
            radial = COEFFICIENTS[element, other] @ functions[atom, :, slot]
            expected[atom] += radial[:, None] * monomials
    np.testing.assert_allclose(received, expected, atol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_change_along_a_direction(edges, offset):
    settings, h = Settings(BASIS, CUTOFF, offset), 1e-6
    coefficients = jnp.asarray(COEFFICIENTS)
    direction = np.random.default_rng(2).normal(size=edges.vectors.shape)

    def moved(sign):
        return VALUES(
            settings, coefficients, edges._replace(vectors=edges.vectors + sign * h * direction)
        )

    values, change = moments_tangent(settings, coefficients, edges, jnp.asarray(direction))
    np.testing.assert_allclose(values, moved(0), atol=1e-12)
    expected = np.asarray(moved(1) - moved(-1)) / (2 * h)
    np.testing.assert_allclose(change, expected, atol=1e-7)

    weights = np.random.default_rng(3).normal(size=expected.shape)

    def total(coefficients, vectors):
        own = edges._replace(vectors=vectors)
        return jnp.sum(weights * moments(settings, coefficients, own))

    by_coefficients, by_vectors = jax.jit(jax.grad(total, (0, 1)))(coefficients, edges.vectors)
    along = float(jnp.sum(by_vectors * direction))
    assert along == pytest.approx(float(np.sum(weights * expected)), rel=1e-7)
    # Moments are linear in the coefficients.
    linear = float(jnp.sum(by_coefficients * coefficients))
    assert linear == pytest.approx(float(jnp.sum(weights * values)), rel=1e-10)


def test_empty_slots_and_padding_give_zero_and_finite_slopes(edges):
    def total(vectors):
        settings = Settings(BASIS, CUTOFF, 0.0)
        values = moments(settings, jnp.asarray(COEFFICIENTS), edges._replace(vectors=vectors))
        return jnp.sum(values**2), values

    gradient, values = jax.jit(jax.grad(total, has_aux=True))(edges.vectors)
    assert not np.asarray(values[2]).any()
    assert not np.asarray(gradient)[np.asarray(edges.sender) < 0].any()
    assert np.isfinite(gradient).all()
