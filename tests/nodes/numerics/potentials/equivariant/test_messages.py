"""Messages against a loop over edges, and their derivatives against plain differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.potentials.equivariant.coupling import Irrep, coupling_paths, irreps_of
from nodes.numerics.potentials.equivariant.harmonics import spherical_harmonics
from nodes.numerics.potentials.equivariant.messages import messages

N, WIDTH, DEGREE = 4, 2, 1
PATHS = coupling_paths(DEGREE, irreps_of(DEGREE)[:2], irreps_of(DEGREE))


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def arguments():
    """All pairs of a few atoms and an empty slot each; filters are equal in both directions."""
    rng = np.random.default_rng(0)
    neighbor = np.array([[j for j in range(N) if j != i] + [i] for i in range(N)])
    positions = rng.normal(size=(N, 3))
    vectors = positions[neighbor] - positions[:, None]
    r = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit = vectors / np.where(r > 0, r, 1)
    filters = [
        jnp.asarray(np.where(r > 0, np.cos(r * (degree + np.arange(WIDTH))), 0))
        for degree in (1, 2)
    ]
    harmonics = spherical_harmonics([jnp.asarray(unit[..., i]) for i in range(3)], DEGREE)
    features = {
        irrep: jnp.asarray(rng.normal(size=(N, 2 * irrep.degree + 1, WIDTH)))
        for irrep in irreps_of(DEGREE)[:2]
    }
    weights = jnp.asarray(rng.normal(size=(len(PATHS), WIDTH)))
    return jnp.asarray(neighbor), weights, filters, harmonics, features


def by_hand(neighbor, weights, filters, harmonics, features):
    """The formula, written as one contraction per path."""
    sums = {}
    for path, weight in zip(PATHS, weights, strict=True):
        total = weight * jnp.einsum(
            "nkf,nak,nkbf,abc->ncf", filters[path.degree], harmonics[path.degree],
            features[path.source][neighbor], jnp.asarray(path.coefficients),
        )  # fmt: skip
        sums[path.target] = sums.get(path.target, 0.0) + total
    return sums


def test_the_formula_holds(arguments):
    found = jax.jit(messages, static_argnums=0)(PATHS, *arguments)
    expected = jax.jit(by_hand)(*arguments)
    assert set(found) == set(expected) == {Irrep(0, 1), Irrep(1, -1), Irrep(1, 1)}
    for irrep, values in expected.items():
        np.testing.assert_allclose(found[irrep], values, atol=1e-13)


def loss(function, neighbor, *rest):
    return sum(jnp.sum(jnp.tanh(values)) for values in function(neighbor, *rest).values())


def test_derivatives_are_those_of_the_formula(arguments):
    which = (1, 2, 3, 4)
    found = jax.jit(jax.grad(lambda *a: loss(lambda *b: messages(PATHS, *b), *a), which))(
        *arguments
    )
    expected = jax.jit(jax.grad(lambda *a: loss(by_hand, *a), which))(*arguments)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.slow
def test_second_derivatives_as_in_the_training_of_forces(arguments):
    """Slope, by weights and features, of the square of the slope by features."""
    neighbor, weights, filters, harmonics, features = arguments

    def penalty(function, weights, features):
        slopes = jax.grad(lambda x: loss(function, neighbor, weights, filters, harmonics, x))
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(slopes(features)))

    def ours(*values):
        return messages(PATHS, *values)

    found = jax.jit(jax.grad(lambda *a: penalty(ours, *a), (0, 1)))(weights, features)
    expected = jax.jit(jax.grad(lambda *a: penalty(by_hand, *a), (0, 1)))(weights, features)
    for left, right in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-11)
