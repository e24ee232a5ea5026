"""Options of the representation; its physics is tested in `test_model`."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.potentials import Bessel, Gaussian, GaussianMoments
from nodes.numerics.potentials.gaussian_moments import RADIAL_UNIT
from nodes.numerics.potentials.representation import Edges, Representation

PLAIN = GaussianMoments(n_radial=3, basis=Bessel(4), n_contractions=4)


@pytest.fixture(scope="module")
def edges():
    vectors = np.random.default_rng(0).normal(size=(2, 6, 3))
    sender = jnp.asarray(np.array([[0, 1, 0, 1, 1, 0]] * 2))
    return Edges(jnp.asarray(vectors, jnp.float32), jnp.array([0, 1]), sender, sender)


def describe(representation, edges, **options):
    weights = representation.init(jax.random.key(0), n_elements=2, cutoff=3.0, dtype=jnp.float32)
    return jax.jit(lambda: representation.describe(weights, edges, cutoff=3.0, **options))()


def test_it_is_a_representation():
    assert isinstance(PLAIN, Representation)


@pytest.mark.parametrize(
    "change",
    [
        {"basis": Gaussian(4)},
        {"coefficients": "uniform"},
        {"direction_offset_angstrom": 0.1},
        {"n_radial": 4, "contraction": False},
    ],
    ids=str,
)
def test_every_option_changes_the_features(edges, change):
    other = dataclasses.replace(PLAIN, **change)
    before, after = describe(PLAIN, edges).scalars, describe(other, edges).scalars
    assert after.shape == (2, other.n_features)
    assert before.shape != after.shape or np.abs(before - after).max() > 1e-3


def test_initial_coefficients_are_distributed_as_asked():
    def drawn(basis, coefficients="uniform"):
        representation = GaussianMoments(basis=basis, coefficients=coefficients)
        key = jax.random.key(0)
        weights = representation.init(key, n_elements=9, cutoff=5.0, dtype=jnp.float32)
        return RADIAL_UNIT * np.asarray(weights["radial"])

    assert 0 <= drawn(Bessel(16)).min() < 0.01 < 0.99 < drawn(Bessel(16)).max() <= 1
    gaussian = drawn(Gaussian(7)) * 7**0.5
    assert -1 <= gaussian.min() < -0.99 < 0.99 < gaussian.max() <= 1
    rows = drawn(Bessel(16), "orthogonal")
    squares = np.broadcast_to(np.eye(5), (9, 9, 5, 5))
    np.testing.assert_allclose(rows @ np.swapaxes(rows, -1, -2), squares, atol=1e-6)
    assert drawn(Bessel(3), "orthogonal").shape == (9, 9, 5, 3)


def test_without_contraction_elements_are_not_told_apart(edges):
    representation = GaussianMoments(n_radial=4, basis=Bessel(4), contraction=False)
    swapped = edges._replace(sender=1 - edges.sender)
    before, after = describe(representation, edges), describe(representation, swapped)
    np.testing.assert_allclose(before.scalars, after.scalars, rtol=1e-5)


def test_vectors_and_matrices_turn_with_the_structure(edges):
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0].astype(np.float32)
    turned = edges._replace(vectors=edges.vectors @ turn)
    before, after = (describe(PLAIN, e, equivariant=True) for e in (edges, turned))
    np.testing.assert_allclose(after.vectors, before.vectors @ turn, atol=1e-4)
    np.testing.assert_allclose(after.matrices, turn.T @ before.matrices @ turn, atol=1e-4)
    assert describe(PLAIN, edges).vectors is None
