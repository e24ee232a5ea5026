"""Device lists against host lists."""

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.neighbors import device
from nodes.numerics.neighbors.cells import periodic_basis
from nodes.numerics.neighbors.host import neighbor_edges

CASES = [
    ("wide", np.eye(3) * 9.0, (True, True, True)),
    ("below the cutoff", np.array([[2.5, 0, 0], [0.7, 2.8, 0], [-0.4, 0.9, 3.0]]), (True,) * 3),
    ("slab", np.array([[4.0, 0, 0], [1.5, 3.9, 0], [0, 0, 0]]), (True, True, False)),
    ("molecule", np.zeros((3, 3)), (False,) * 3),
]


def edge_set(neighbors):
    occupied = np.asarray(neighbors.occupied)
    receivers = np.nonzero(occupied)[0]
    columns = [receivers, np.asarray(neighbors.senders)[occupied]]
    columns += list(np.asarray(neighbors.shifts)[occupied].T)
    return sorted(zip(*columns, strict=True))


def test_rebuild_equals_host_list_after_atoms_moved():
    rng = np.random.default_rng(1)
    for name, cell, pbc in CASES:
        basis = periodic_basis(cell, pbc)
        start = rng.uniform(0, 1, (6, 3)) @ np.where(np.array(pbc)[:, None], basis, 3 * np.eye(3))
        with jax.enable_x64(True):
            spec, _ = device.from_structure(
                start, cell, pbc, cutoff=2.6, skin=0.4, min_capacity=100
            )
            moved = start + rng.normal(size=start.shape) * 3.0
            rebuilt, needed = device.rebuild(spec, jnp.asarray(moved), jnp.asarray(basis))
            edges = neighbor_edges(moved, cell, pbc, 3.0)
            expected = sorted(zip(edges.receivers, edges.senders, *edges.shifts.T, strict=True))
            assert edge_set(rebuilt) == expected, name
            assert int(needed) == np.bincount(edges.receivers, minlength=6).max()
            vectors = device.edge_vectors(spec, rebuilt, jnp.asarray(moved), jnp.asarray(basis))
            flat = np.asarray(vectors).reshape(-1, 3)
            reverse = np.asarray(rebuilt.reverse).reshape(-1)
            occupied = np.asarray(rebuilt.occupied).reshape(-1)
            np.testing.assert_allclose(flat[reverse][occupied], -flat[occupied], atol=1e-12)
            np.testing.assert_array_equal(reverse[~occupied], np.nonzero(~occupied)[0])


def test_overflow_is_reported():
    cell, pbc = np.eye(3) * 2.0, (True,) * 3
    spec, _ = device.from_structure(np.zeros((1, 3)), cell, pbc, cutoff=1.5, skin=0.1)
    dense = jnp.zeros((1, 3)), jnp.eye(3) * 0.8
    wide = device.ListSpec(spec.cutoff, spec.skin, spec.capacity, spec.pbc, (2, 2, 2))
    _, needed = device.rebuild(wide, *dense)
    assert int(needed) > spec.capacity


def test_empty_slots_point_beyond_the_cutoff():
    spec, neighbors = device.from_structure(
        np.array([[0.0, 0, 0], [1.0, 0, 0]]), np.zeros((3, 3)), (False,) * 3, cutoff=2.0, skin=0.5
    )
    vectors = device.edge_vectors(spec, neighbors, neighbors.origin, jnp.eye(3))
    empty = ~np.asarray(neighbors.occupied)
    assert empty.any()
    assert (np.linalg.norm(np.asarray(vectors)[empty], axis=-1) == 4.0).all()


def test_list_is_stale_beyond_half_the_skin():
    spec, neighbors = device.from_structure(
        np.array([[0.0, 0, 0], [1.0, 0, 0]]), np.zeros((3, 3)), (False,) * 3, cutoff=2.0, skin=0.5
    )
    shift = jnp.array([[0.0, 0, 0], [1.0, 0, 0]])
    assert not device.is_stale(spec, neighbors, neighbors.origin + 0.24 * shift)
    assert device.is_stale(spec, neighbors, neighbors.origin + 0.26 * shift)
