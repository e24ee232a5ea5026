"""Kept neighbour lists against fresh ones."""

import jax
import numpy as np
import pytest

from nodes.numerics.potentials import ModelConfig, build_graph
from nodes.numerics.potentials.moving_graph import MovingGraph
from nodes.numerics.structures import Structure

CONFIG = ModelConfig(elements=(1, 8), cutoff_angstrom=2.6)
CELL = np.array([[2.5, 0.0, 0.0], [0.4, 2.4, 0.0], [-0.3, 0.5, 2.6]])


def make(positions, pbc=True, cell=CELL):
    return Structure([1, 8, 1][: len(positions)], positions, cell, pbc)


def edges(graph):
    """Sorted vectors of each atom with the species that they point to, without empty slots."""
    rows = []
    for kinds, vectors in zip(graph.neighbor_species, graph.vectors, strict=True):
        table = np.column_stack([kinds, vectors])[np.asarray(kinds) >= 0]
        rows.append(table[np.lexsort(table.T.round(6))])
    return rows


@pytest.mark.parametrize("pbc", [True, (True, False, True), False])
def test_edges_are_those_of_a_fresh_list(pbc):
    start = np.array([[0.0, 0, 0], [1.1, 1.0, 0.2], [0.3, 0.2, 1.4]])
    moves = np.random.default_rng(0).uniform(-0.15, 0.15, (4, 3, 3))
    with jax.enable_x64(True):
        moving = MovingGraph(CONFIG, 0.8)
        for move in moves:
            graph = moving.graph(make(start + move, pbc))
            fresh = build_graph(make(start + move, pbc), CONFIG)
            for a, b in zip(edges(graph), edges(fresh), strict=True):
                np.testing.assert_allclose(a, b, atol=1e-12)
            flat = np.asarray(graph.vectors).reshape(-1, 3)
            opposite = flat[np.asarray(graph.reverse).reshape(-1)]
            used = np.asarray(graph.neighbor_species).reshape(-1) >= 0
            np.testing.assert_allclose(opposite[used], -flat[used], atol=1e-12)
            np.testing.assert_array_equal(graph.species, fresh.species)
            assert float(graph.volume) == pytest.approx(float(fresh.volume), nan_ok=True)
    assert moving.n_builds == 1


def test_the_list_is_built_anew_when_it_must_be():
    start = np.array([[0.0, 0, 0], [1.1, 1.0, 0.2]])
    moving, shift = MovingGraph(CONFIG, 0.5), np.array([0.0, 0.0, 0.3])
    for built, structure in enumerate(
        [
            make(start),
            make(start + shift),
            make(start + shift, cell=1.1 * CELL),
            make(start + shift, pbc=False, cell=1.1 * CELL),
            make(start[:1]),
        ],
        start=1,
    ):
        moving.graph(structure)
        moving.graph(structure)
        assert moving.n_builds == built


def test_slots_do_not_become_fewer():
    moving = MovingGraph(CONFIG, 1.5)
    near = np.array([[0.0, 0, 0], [1.1, 1.0, 0.2]])
    wide = moving.graph(make(near)).reverse.shape
    assert moving.graph(make(near, pbc=False)).reverse.shape == wide
    assert wide[1] > 8
