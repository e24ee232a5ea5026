"""Host lists against brute force over a wide block of images."""

import itertools

import numpy as np
import pytest

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


def test_chunks_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(3)
    positions, cell = rng.uniform(0, 4, (20, 3)), np.eye(3) * 4.0
    whole = neighbor_edges(positions, cell, np.ones(3, bool), 3.0)
    monkeypatch.setattr("nodes.numerics.neighbors.host._PAIRS_PER_CHUNK", 100)
    for a, b in zip(whole, neighbor_edges(positions, cell, np.ones(3, bool), 3.0), strict=True):
        np.testing.assert_array_equal(a, b)


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
