"""Derivatives against finite differences, and invariances, of one and two iterations."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nodes.numerics.neighbors.host import dense_list, neighbor_edges
from nodes.numerics.potentials.equivariant import EquivariantMessages
from nodes.numerics.potentials.radial import Bessel
from nodes.numerics.potentials.representation import Edges, Representation

pytestmark = pytest.mark.extensive

CUTOFF, SLOTS = 3.0, 32
TRICLINIC = np.array([[2.6, 0.0, 0.0], [0.8, 2.7, 0.0], [-0.5, 0.6, 3.1]])
CELLS = {
    "below the cutoff": (TRICLINIC, (True, True, True)),
    "slab": (TRICLINIC * 1.3, (True, True, False)),
    "wire": (TRICLINIC * 1.3, (False, False, True)),
    "molecule": (TRICLINIC, (False, False, False)),
}
ITERATIONS = (1, 2)
GRID = np.array([[0.0, 0, 0], [0.5, 0.5, 0.1], [0.4, 0, 0.5], [0, 0.5, 0.6]])
SPECIES = np.array([1, 0, 0, 1])


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def model(n_iterations):
    return EquivariantMessages(4, 2, n_iterations, Bessel(4))


@cache
def weights(n_iterations, dtype="float64"):
    init = partial(model(n_iterations).init, n_elements=2, cutoff=CUTOFF, dtype=jnp.dtype(dtype))
    made = jax.jit(init)(jax.random.key(3))
    return jax.tree.map(lambda leaf: leaf + jnp.asarray(0.1, leaf.dtype), made)


@partial(jax.jit, static_argnums=0)
def evaluate(n_iterations, weights, edges):
    """An energy that depends on all scalars, and its slopes by edges."""

    def energy(vectors):
        moved = edges._replace(vectors=vectors)
        found = model(n_iterations).describe(weights, moved, cutoff=CUTOFF)
        return jnp.sum(jnp.tanh(found.scalars) * jnp.arange(1, 5, dtype=vectors.dtype))

    return jax.value_and_grad(energy)(edges.vectors)


@partial(jax.jit, static_argnums=0)
def describe(n_iterations, weights, edges):
    return model(n_iterations).describe(weights, edges, cutoff=CUTOFF, equivariant=True)


def build(positions, cell, pbc, species=SPECIES, *, dtype="float64", n=None, slots=SLOTS):
    """Edges, and the list that says how slopes become forces."""
    n = len(species) if n is None else n
    found = neighbor_edges(positions, cell, np.array(pbc), CUTOFF)
    dense = dense_list(found, n, slots)
    vectors = np.full((n, slots, 3), 2 * CUTOFF)
    vectors[dense.occupied] = found.vectors
    receiver = np.append(species, np.full(n - len(species), -1))
    sender = np.where(dense.occupied, receiver[dense.senders], -1)
    arrays = (vectors.astype(dtype), receiver, sender, dense.senders)
    return Edges(*(jnp.asarray(array) for array in arrays)), dense


def compute(positions, cell, pbc, n_iterations, **options):
    """Energy, forces and virial."""
    edges, dense = build(positions, cell, pbc, **options)
    used = weights(n_iterations, options.get("dtype", "float64"))
    energy, slopes = jax.device_get(evaluate(n_iterations, used, edges))
    assert slopes.dtype == energy.dtype == edges.vectors.dtype
    slopes = slopes.astype(float)
    forces = np.sum(slopes - slopes.reshape(-1, 3)[dense.reverse], axis=1)
    virial = np.einsum("nki,nkj->ij", slopes, np.asarray(edges.vectors, float))
    return float(energy), forces, virial


def description(positions, cell, pbc, n_iterations, **options):
    edges, _ = build(positions, cell, pbc, **options)
    used = weights(n_iterations, options.get("dtype", "float64"))
    return jax.device_get(describe(n_iterations, used, edges))


def make(name="below the cutoff", seed=0):
    cell, pbc = CELLS[name]
    return GRID @ cell + np.random.default_rng(seed).normal(size=(4, 3)) * 0.08, cell, pbc


def test_it_is_a_representation():
    assert isinstance(model(1), Representation)
    assert model(1).n_features == 4
    assert EquivariantMessages() == EquivariantMessages(32, 2, 1, Bessel(16))


@pytest.mark.parametrize("n_iterations", ITERATIONS)
@pytest.mark.parametrize("name", CELLS)
def test_forces_and_virial_are_the_slopes_of_the_energy(name, n_iterations):
    positions, cell, pbc = make(name)
    rng, step = np.random.default_rng(4), 1e-4
    _, forces, virial = compute(positions, cell, pbc, n_iterations)
    shift, strain = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))

    def along(t):
        deform = np.eye(3) + t * strain.T
        return compute((positions + t * shift) @ deform, cell @ deform, pbc, n_iterations)[0]

    slope = (8 * (along(step) - along(-step)) - along(2 * step) + along(-2 * step)) / (12 * step)
    expected = np.sum(-forces * shift) + np.sum(virial * strain)
    assert slope == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(virial, virial.T, atol=1e-10)
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-10)


@pytest.mark.parametrize(
    ("n_iterations", "dtype", "tolerance"),
    [(1, "float64", 1e-9), (2, "float64", 1e-9), (2, "float32", 1e-5)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_energy_and_forces_turn_with_the_structure(n_iterations, sign, dtype, tolerance):
    positions, cell, pbc = make()
    turn = sign * Rotation.random(random_state=5).as_matrix()
    moved = (positions + np.array([0.3, -1.0, 2.0])) @ turn.T
    before = compute(positions, cell, pbc, n_iterations, dtype=dtype)
    after = compute(moved, cell @ turn.T, pbc, n_iterations, dtype=dtype)
    scale = max(1.0, np.abs(before[1]).max(), np.abs(before[0]))
    near = partial(np.testing.assert_allclose, rtol=0, atol=tolerance * scale)
    near(after[0], before[0])
    near(after[1], before[1] @ turn.T)
    assert np.abs(before[1]).max() > 0.01


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-5)])
@pytest.mark.parametrize("sign", [1, -1])
def test_vectors_and_matrices_turn_with_the_structure(sign, dtype, tolerance):
    positions, cell, pbc = make()
    turn = sign * Rotation.random(random_state=6).as_matrix()
    before = description(positions, cell, pbc, 2, dtype=dtype)
    after = description(positions @ turn.T, cell @ turn.T, pbc, 2, dtype=dtype)
    near = partial(np.testing.assert_allclose, rtol=0, atol=tolerance * before.scalars.max())
    near(after.scalars, before.scalars)
    near(after.vectors, before.vectors @ turn.T)
    near(after.matrices, turn @ before.matrices @ turn.T)
    assert before.vectors.dtype == before.matrices.dtype == dtype
    assert np.abs(before.vectors).max() > 0.01


def test_matrices_are_symmetric_and_have_a_trace():
    matrices = description(*make(), 2).matrices
    np.testing.assert_allclose(matrices, np.swapaxes(matrices, -1, -2), atol=1e-14)
    assert np.abs(np.trace(matrices, axis1=-2, axis2=-1)).max() > 0.01
    assert np.abs(matrices[..., 0, 1]).max() > 0.001


def test_one_iteration_makes_vectors_and_matrices_too():
    positions, cell, pbc = make()
    turn = -Rotation.random(random_state=7).as_matrix()
    before = description(positions, cell, pbc, 1)
    after = description(positions @ turn.T, cell @ turn.T, pbc, 1)
    np.testing.assert_allclose(after.vectors, before.vectors @ turn.T, atol=1e-9)
    np.testing.assert_allclose(after.matrices, turn @ before.matrices @ turn.T, atol=1e-9)
    assert np.abs(before.vectors).max() > 0.01


@pytest.mark.parametrize("n_iterations", ITERATIONS)
def test_order_of_atoms_does_not_matter(n_iterations):
    positions, cell, pbc = make()
    order = np.array([2, 0, 3, 1])
    before = compute(positions, cell, pbc, n_iterations)
    after = compute(positions[order], cell, pbc, n_iterations, species=SPECIES[order])
    assert after[0] == pytest.approx(before[0], abs=1e-9)
    np.testing.assert_allclose(after[1], before[1][order], atol=1e-9)


@pytest.mark.extensive
@pytest.mark.parametrize("n_iterations", ITERATIONS)
def test_a_cell_equals_its_supercell(n_iterations):
    cell, pbc = CELLS["below the cutoff"]
    positions = (GRID @ cell)[:2] + np.array([[0, 0, 0], [0.1, -0.05, 0.2]])
    shifts = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ cell
    small = compute(positions, cell, pbc, n_iterations, species=SPECIES[:2])
    large = compute(
        (positions + shifts[:, None]).reshape(-1, 3), 3 * cell, pbc, n_iterations,
        species=np.tile(SPECIES[:2], 27),
    )  # fmt: skip
    assert large[0] / 27 == pytest.approx(small[0], abs=1e-9)
    np.testing.assert_allclose(large[1], np.tile(small[1], (27, 1)), atol=1e-9)
    np.testing.assert_allclose(large[2] / 27, small[2], atol=1e-9)


@pytest.mark.parametrize("n_iterations", ITERATIONS)
def test_padding_changes_nothing(n_iterations):
    positions, cell, pbc = make()
    plain = compute(positions, cell, pbc, n_iterations)
    larger = {"n": 6, "slots": SLOTS + 8}
    padded = compute(positions, cell, pbc, n_iterations, **larger)
    assert padded[0] == pytest.approx(plain[0], abs=1e-12)
    np.testing.assert_allclose(padded[1][:4], plain[1], atol=1e-12)
    assert not padded[1][4:].any()


def test_padding_atoms_are_described_by_zeros():
    padded = description(*make(), 2, n=6, slots=SLOTS + 8)
    assert all(values[:4].any() and not values[4:].any() for values in padded)


@pytest.mark.parametrize("n_iterations", ITERATIONS)
def test_empty_slots_count_for_nothing_wherever_they_point(n_iterations):
    edges, _ = build(*make("wire"))
    empty = np.asarray(edges.sender) < 0
    assert empty.any()
    odd = np.array(edges.vectors)
    odd[empty] = np.where(np.arange(empty.sum())[:, None] % 2, 0.0, 0.5)
    plain = evaluate(n_iterations, weights(n_iterations), edges)
    found = evaluate(n_iterations, weights(n_iterations), edges._replace(vectors=odd))
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, plain, found)))
    assert not np.asarray(found[1])[empty].any()


def test_an_atom_by_itself_has_finite_features():
    alone = np.zeros((1, 3)), np.zeros((3, 3)), (False,) * 3
    energy, forces, _ = compute(*alone, 2, species=SPECIES[:1], n=4)
    assert np.isfinite(energy)
    assert not forces.any()
    found = description(*alone, 2, species=SPECIES[:1], n=4)
    assert found.scalars[0].any()
    assert not found.vectors.any()


@pytest.mark.parametrize("n_iterations", ITERATIONS)
def test_energies_are_smooth_at_the_cutoff(n_iterations):
    """Third differences of the force fall with the step across the cutoff, as of smooth curves."""
    distances = CUTOFF + 0.02 * np.arange(-20, 5)
    free = np.zeros((3, 3)), (False,) * 3

    def force(r):
        pair = np.array([[0.0, 0, 0], [r, 0, 0]])
        return compute(pair, *free, n_iterations, species=SPECIES[:2], n=4)[1][1, 0]

    forces = np.array([force(r) for r in distances])
    assert not forces[distances >= CUTOFF].any()
    assert np.abs(forces[-8:-5]).max() < 1e-6
    assert np.abs(np.diff(forces, 3)).max() < 0.2 * np.abs(force(2.0))


def test_only_the_highest_degree_that_is_asked_for_is_described():
    edges, _ = build(*make("molecule"))
    for degree in (0, 1):
        small = EquivariantMessages(2, degree, 1, Bessel(2))
        init = partial(small.init, n_elements=2, cutoff=CUTOFF, dtype=float)
        start = jax.eval_shape(init, jax.random.key(0))
        describe = partial(small.describe, cutoff=CUTOFF, equivariant=True)
        shapes = jax.eval_shape(describe, start, edges)
        assert shapes.scalars.shape == (4, 2)
        assert (shapes.vectors is None) == (degree == 0)
        assert shapes.matrices is None


def test_pseudotensors_appear_from_the_third_iteration_on():
    deep = EquivariantMessages(2, 2, 4)
    assert [len(deep.sources(index)) for index in range(4)] == [1, 3, 5, 6]
    assert deep.kept(3) == deep.sources(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 0}, "features must be at least 1"),
        ({"n_iterations": 0}, "n_iterations must be at least 1"),
        ({"max_degree": 4}, "max_degree must be 0 to 3"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EquivariantMessages(**options)
