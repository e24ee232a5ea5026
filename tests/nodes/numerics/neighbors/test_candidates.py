"""Pairs found in bins and among all pairs against the host list, on many cells per program."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.neighbors.cells import periodic_basis, plane_distances
from nodes.numerics.neighbors.device import ListSpec, edge_vectors, rebuild
from nodes.numerics.neighbors.grid import Grid
from nodes.numerics.neighbors.host import neighbor_edges

ALL, SLAB, WIRE, NONE = (True,) * 3, (True, True, False), (False, False, True), (False,) * 3
N, REACH = 13, 2.5
QUICKLY = {"xla_backend_optimization_level": 0}


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


# Name, periodic directions, images, bins and stencil (None: all pairs), least plane distances.
PROGRAMS = [
    ("many images", ALL, (1, 2, 1), None, (1.7, 1.0, 1.7)),
    slow("nearest images", ALL, (0, 0, 0), None, (5.0, 5.0, 5.0)),
    slow("all pairs of a slab", SLAB, (1, 1, 0), None, (1.7, 1.7, 0.0)),
    slow("bins", ALL, (0, 0, 0), ((3, 4, 2), (1, 1, 1)), (7.5, 10.0, 5.0)),
    ("bins below the cutoff", ALL, (1, 1, 1), ((1, 2, 1), (3, 2, 1)), (0.85, 2.5, 2.5)),
    slow("bins of a slab", SLAB, (0, 0, 0), ((3, 3, 3), (1, 2, 1)), (7.5, 3.8, 0.0)),
    slow("bins of a wire", WIRE, (0, 0, 1), ((3, 1, 1), (1, 0, 2)), (0.0, 0.0, 1.3)),
    slow("bins of a molecule", NONE, (0, 0, 0), ((3, 4, 1), (1, 1, 0)), (0.0, 0.0, 0.0)),
]


def random_structure(rng, pbc, least):
    """A triclinic cell a little wider than need be, and atoms in and around it."""
    pbc = np.array(pbc)
    while True:
        cell = rng.normal(size=(3, 3)) * 3.0
        heights = plane_distances(periodic_basis(cell, pbc))
        wanted = np.where(pbc, np.array(least) * rng.uniform(1.001, 1.3, 3), 1.0)
        cell *= np.where(pbc, wanted / heights, 1.0)[:, None]
        basis = periodic_basis(cell, pbc)
        if np.linalg.norm(basis, axis=1).max() < 40.0:
            break
    spread = np.where(pbc[:, None], basis, rng.uniform(0.5, 5.0, (3, 1)) * basis)
    return rng.uniform(-2, 3, (N, 3)) @ spread, cell, basis


def as_set(receivers, senders, shifts):
    return set(zip(receivers.tolist(), senders.tolist(), *shifts.T.tolist(), strict=True))


@pytest.mark.parametrize(("name", "pbc", "images", "bins", "least"), PROGRAMS)
def test_pairs_are_those_of_the_host_list(name, pbc, images, bins, least):
    rng = np.random.default_rng(11)
    grid = bins and Grid(*bins, REACH * 1.01, N)
    spec = ListSpec(2.0, 0.5, 900, pbc, images, grid)
    with jax.enable_x64(True):

        @partial(jax.jit, compiler_options=QUICKLY)
        def build(positions, basis):
            neighbors, needed = rebuild(spec, positions, basis)
            return neighbors, needed, edge_vectors(spec, neighbors, positions, basis)

        found = 0
        for _ in range(25):
            positions, cell, basis = random_structure(rng, pbc, least)
            neighbors, needed, vectors = build(jnp.asarray(positions), jnp.asarray(basis))
            edges = neighbor_edges(positions, cell, pbc, REACH)
            occupied = np.asarray(neighbors.occupied)
            got = as_set(
                np.nonzero(occupied)[0],
                np.asarray(neighbors.senders)[occupied],
                np.asarray(neighbors.shifts)[occupied],
            )
            assert occupied.sum() == len(got)
            assert got == as_set(edges.receivers, edges.senders, edges.shifts)
            assert needed == np.bincount(edges.receivers, minlength=N).max()
            check_reverse(neighbors, np.asarray(vectors))
            found += len(got)
        assert found > 50


def check_reverse(neighbors, vectors):
    reverse, occupied = (np.asarray(a).reshape(-1) for a in (neighbors.reverse, neighbors.occupied))
    flat = vectors.reshape(-1, 3)
    np.testing.assert_array_equal(flat[reverse][occupied], -flat[occupied])
    np.testing.assert_array_equal(reverse[reverse], np.arange(reverse.size))
    np.testing.assert_array_equal(reverse[~occupied], np.nonzero(~occupied)[0])


@pytest.mark.parametrize("bins", [None, ((3, 3, 3), (1, 1, 1))])
def test_cell_that_has_shrunk_too_far_is_reported(bins):
    spec = ListSpec(2.0, 0.5, 20, ALL, (0, 0, 0), bins and Grid(*bins, 2.6, 8))
    least = 7.5 if bins else 5.0
    build = jax.jit(lambda p, b: rebuild(spec, p, b)[1], compiler_options=QUICKLY)
    positions = jnp.asarray(np.random.default_rng(0).uniform(0, 5, (N, 3)), jnp.float32)
    assert build(positions, jnp.eye(3) * least * 1.01) <= spec.capacity
    for axis in range(3):
        narrow = jnp.eye(3) * least * 1.01
        assert build(positions, narrow.at[axis, axis].set(least * 0.99)) > spec.capacity
    # A sheared cell is narrower than its lattice vectors are long.
    sheared = jnp.array([[1.01, 0, 0], [0.4, 1.01, 0], [0, 0, 1.01]]) * least
    assert build(positions, sheared) > spec.capacity


def test_bin_that_is_too_full_is_reported():
    spec = ListSpec(2.0, 0.5, 20, ALL, (0, 0, 0), Grid((3, 3, 3), (1, 1, 1), 2.6, 4))
    line = jnp.arange(5.0)[:, None] * jnp.array([[0.4, 0.0, 0.0]]) + 0.2
    build = jax.jit(partial(rebuild, spec), compiler_options=QUICKLY)
    assert build(line, jnp.eye(3) * 8.0)[1] > spec.capacity
    assert build(line * 2.0, jnp.eye(3) * 8.0)[1] <= spec.capacity
