"""Clebsch-Gordan coefficients: orthogonality, products of harmonics, rotations, known values."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nodes.numerics.potentials.equivariant.coupling import (
    Irrep,
    Path,
    clebsch_gordan,
    coupling_paths,
    irreps_of,
)
from nodes.numerics.potentials.equivariant.harmonics import spherical_harmonics

TRIPLES = [
    (a, b, c) for a, b, c in itertools.product(range(4), repeat=3) if abs(a - b) <= c <= a + b
]


evaluate = jax.jit(lambda unit: spherical_harmonics(list(unit), 3))


def harmonics(vectors, degree):
    with jax.enable_x64(True):
        return np.asarray(evaluate(jnp.asarray(vectors.T[..., None]))[degree])[..., 0]


@pytest.fixture(scope="module")
def directions():
    vectors = np.random.default_rng(1).normal(size=(20, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize(("l1", "l2"), list(itertools.product(range(4), repeat=2)))
def test_all_products_together_are_orthogonal(l1, l2):
    degrees = range(abs(l1 - l2), l1 + l2 + 1)
    size = (2 * l1 + 1) * (2 * l2 + 1)
    columns = [clebsch_gordan(l1, l2, l3).reshape(size, -1) for l3 in degrees]
    matrix = np.concatenate(columns, axis=1)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(size), atol=1e-13)


@pytest.mark.parametrize(("l1", "l2", "l3"), TRIPLES)
def test_products_turn_with_their_factors(l1, l2, l3, directions):
    rotation = Rotation.random(random_state=2).as_matrix()

    def turn(degree):
        """Matrix of the components: solves turned = matrix @ original."""
        before, after = harmonics(directions, degree), harmonics(directions @ rotation.T, degree)
        return np.linalg.lstsq(before, after, rcond=None)[0].T

    coefficients = clebsch_gordan(l1, l2, l3)
    of_turned = np.einsum("ai,bj,abc->ijc", turn(l1), turn(l2), coefficients)
    turned = np.einsum("ijk,ck->ijc", coefficients, turn(l3))
    np.testing.assert_allclose(of_turned, turned, atol=1e-12)


@pytest.mark.parametrize(("l1", "l2", "l3"), TRIPLES)
def test_product_of_harmonics_of_one_direction(l1, l2, l3, directions):
    """It is a harmonic again, times <l1 0 l2 0 | l3 0>; zero if the degrees sum to an odd one."""
    coefficients = clebsch_gordan(l1, l2, l3)
    product = np.einsum(
        "na,nb,abc->nc", harmonics(directions, l1), harmonics(directions, l2), coefficients
    )
    factor = coefficients[l1, l2, l3] if (l1 + l2 + l3) % 2 == 0 else 0.0
    np.testing.assert_allclose(product, factor * harmonics(directions, l3), atol=1e-12)
    assert ((l1 + l2 + l3) % 2 == 1) or abs(factor) > 0.1


def test_known_values():
    """The scalar product of two vectors over sqrt(3), and their cross product over sqrt(2)."""
    np.testing.assert_allclose(
        np.abs(clebsch_gordan(1, 1, 0)[..., 0]), np.eye(3) / np.sqrt(3), atol=1e-14
    )
    to_xyz = np.array([2, 0, 1])
    cross = clebsch_gordan(1, 1, 1)[to_xyz][:, to_xyz][:, :, to_xyz]
    assert abs(abs(cross[0, 1, 2]) - 1 / np.sqrt(2)) < 1e-14
    np.testing.assert_allclose(cross, -np.swapaxes(cross, 0, 1), atol=1e-14)
    # <1 0 1 0 | 2 0> and <2 0 2 0 | 2 0> of the tables, the latter times i^2.
    assert clebsch_gordan(1, 1, 2)[1, 1, 2] == pytest.approx(np.sqrt(2 / 3))
    assert clebsch_gordan(2, 2, 2)[2, 2, 2] == pytest.approx(np.sqrt(2 / 7))


def test_the_table_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        clebsch_gordan(1, 1, 0)[0] = 1.0


def test_paths_conserve_degree_and_parity():
    proper = irreps_of(2)[:3]
    assert proper == (Irrep(0, 1), Irrep(1, -1), Irrep(2, 1))
    scalars = coupling_paths(2, proper, proper[:1])
    assert scalars == tuple(Path(irrep.degree, irrep, Irrep(0, 1)) for irrep in proper)
    # A pseudovector is the product of two vectors, or of two matrices, of directions.
    pseudo = coupling_paths(2, proper, [Irrep(1, 1)])
    assert {(path.degree, path.source.degree) for path in pseudo} == {(1, 1), (2, 2)}


def test_the_way_back_is_the_transposed_product_along_the_reversed_edge():
    path = Path(1, Irrep(1, -1), Irrep(2, 1))
    back = path.adjoint
    assert back.adjoint == path
    assert (back.source, back.target) == (path.target, path.source)
    np.testing.assert_array_equal(back.coefficients, -np.swapaxes(path.coefficients, 1, 2))
