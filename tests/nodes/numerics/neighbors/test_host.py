"""Host lists against brute force over a wide block of images."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial import KDTree

from nodes.numerics.neighbors.host import dense_list, neighbor_edges


def brute_force(positions, cell, pbc, cutoff):
    """All (i, j, shift) below the cutoff among images -5 ... 5 of periodic directions."""
    axes = [range(-5, 6) if periodic else (0,) for periodic in pbc]
    shifts = np.array(list(itertools.product(*axes)))
    vectors = positions[None, :, None] - positions[:, None, None] + shifts @ cell
    near = np.linalg.norm(vectors, axis=-1) < cutoff
    i, j, s = np.nonzero(near)
    found = zip(i.tolist(), j.tolist(), shifts[s].tolist(), strict=True)
    return {(i, j, *shift) for i, j, shift in found if i != j or any(shift)}


def random_cases(count):
    rng = np.random.default_rng(7)
    while count:
        cell = rng.normal(size=(3, 3)) * rng.uniform(1.0, 5.0)
        heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
        if heights.min() < 0.9:
            continue
        count -= 1
        pbc = rng.random(3) < 0.7
        n = int(rng.integers(1, 9))
        # Positions spread over three cells: lists must not depend on wrapping.
        yield rng.uniform(-1, 2, (n, 3)) @ cell, cell, pbc, float(rng.uniform(0.5, 3.5))


def as_set(edges):
    return {
        (int(i), int(j), *map(int, s))
        for i, j, s in zip(edges.receivers, edges.senders, edges.shifts, strict=True)
    }


def test_random_cells_against_brute_force():
    for positions, cell, pbc, cutoff in random_cases(200):
        edges = neighbor_edges(positions, cell, pbc, cutoff)
        wrapped = as_set(edges)
        assert len(wrapped) == len(edges.receivers)
        # The block of images must be centred: bring far atoms home and undo their shifts.
        inverse = np.linalg.inv(cell)
        home = np.where(pbc, np.floor(positions @ inverse), 0).astype(int)
        expected = brute_force(positions - home @ cell, cell, pbc, cutoff)
        moved = {(i, j, *(np.array(s) + home[i] - home[j])) for i, j, *s in expected}
        assert wrapped == {tuple(map(int, edge)) for edge in moved}
        vectors = positions[edges.senders] - positions[edges.receivers] + edges.shifts @ cell
        np.testing.assert_allclose(edges.vectors, vectors, atol=1e-12)


def test_edges_are_sorted_and_opposite_ones_exactly_opposite():
    for positions, cell, pbc, cutoff in random_cases(30):
        edges = neighbor_edges(positions, cell, pbc, cutoff)
        columns = [edges.receivers, edges.senders, *edges.shifts.T]
        np.testing.assert_array_equal(np.lexsort(columns[::-1]), np.arange(len(edges.receivers)))
        found = dict(
            zip(zip(*(c.tolist() for c in columns), strict=True), edges.vectors, strict=True)
        )
        for (i, j, *shift), vector in found.items():
            np.testing.assert_array_equal(found[j, i, *(-s for s in shift)], -vector)


def test_a_shorter_cutoff_keeps_the_shorter_edges():
    for positions, cell, pbc, cutoff in random_cases(20):
        within = neighbor_edges(positions, cell, pbc, cutoff).within(0.7 * cutoff)
        for a, b in zip(within, neighbor_edges(positions, cell, pbc, 0.7 * cutoff), strict=True):
            np.testing.assert_array_equal(a, b)


def test_many_atoms_against_a_periodic_tree():
    positions = np.random.default_rng(3).uniform(0, 60, (20_000, 3))
    edges = neighbor_edges(positions, np.eye(3) * 60.0, (True, True, True), 3.0)
    pairs = KDTree(positions, boxsize=60.0).query_pairs(3.0, output_type="ndarray")
    both = np.concatenate([pairs, pairs[:, ::-1]])
    np.testing.assert_array_equal(
        np.sort(both @ [20_000, 1]), edges.receivers * 20_000 + edges.senders
    )
    assert np.linalg.norm(edges.vectors, axis=1).max() < 3.0


def test_far_away_structures_have_the_same_edges():
    positions = np.random.default_rng(4).uniform(0, 8, (50, 3))
    for pbc in ((True, True, True), (False, False, False)):
        here = neighbor_edges(positions, np.eye(3) * 8.0, pbc, 2.5)
        there = neighbor_edges(positions + 8e4, np.eye(3) * 8.0, pbc, 2.5)
        np.testing.assert_array_equal(here.receivers, there.receivers)
        np.testing.assert_array_equal(here.senders, there.senders)
        np.testing.assert_array_equal(here.shifts, there.shifts)


def test_host_lists_do_not_start_jax():
    code = """
import sys
from nodes.numerics.neighbors import dense_list, neighbor_edges
assert "jax" not in sys.modules
from nodes.numerics.neighbors import ListSpec
assert "jax" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_atom_neighbours_its_own_images():
    edges = neighbor_edges(np.zeros((1, 3)), np.eye(3) * 2.0, np.ones(3, bool), 2.1)
    assert len(edges.receivers) == 6


def test_molecule_needs_no_cell():
    positions = np.array([[0.0, 0, 0], [1.0, 0, 0], [5.0, 0, 0]])
    edges = neighbor_edges(positions, np.zeros((3, 3)), np.zeros(3, bool), 1.5)
    assert as_set(edges) == {(0, 1, 0, 0, 0), (1, 0, 0, 0, 0)}


def test_reverse_slots_are_an_involution_onto_opposite_edges():
    for positions, cell, pbc, cutoff in random_cases(30):
        edges = neighbor_edges(positions, cell, pbc, cutoff)
        dense = dense_list(edges, len(positions) + 2)
        flat = dense.reverse.reshape(-1)
        np.testing.assert_array_equal(flat[flat], np.arange(flat.size))
        vectors = np.zeros((*dense.senders.shape, 3))
        vectors[dense.occupied] = edges.vectors
        vectors = vectors.reshape(-1, 3)
        np.testing.assert_array_equal(vectors[flat], -vectors)


def test_capacity_is_checked():
    edges = neighbor_edges(np.zeros((1, 3)), np.eye(3) * 2.0, np.ones(3, bool), 2.1)
    with pytest.raises(ValueError, match="capacity must be at least 6, received 5"):
        dense_list(edges, 1, 5)


def test_coincident_atoms_are_refused():
    with pytest.raises(ValueError, match=r"atoms must not coincide, received atoms \(0, 1\)"):
        neighbor_edges(np.zeros((2, 3)), np.eye(3), np.zeros(3, bool), 1.0)


def test_dependent_lattice_vectors_are_refused():
    with pytest.raises(ValueError, match="must be linearly independent"):
        neighbor_edges(np.zeros((1, 3)), np.ones((3, 3)), np.ones(3, bool), 1.0)


def test_cutoff_is_checked():
    with pytest.raises(ValueError, match="cutoff must be positive, received 0"):
        neighbor_edges(np.zeros((1, 3)), np.eye(3), np.zeros(3, bool), 0.0)
