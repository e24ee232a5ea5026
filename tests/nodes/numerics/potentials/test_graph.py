import numpy as np
import pytest

from nodes.numerics.potentials import ModelConfig, build_graph, build_graphs
from nodes.numerics.potentials.graph import species_of
from nodes.numerics.structures import Structure

CONFIG = ModelConfig(elements=(1, 8), cutoff_angstrom=2.0)
PAIR = Structure([8, 1], [[0.0, 0, 0], [1.0, 0, 0]], np.zeros((3, 3)), False)


def test_padding_is_marked_and_out_of_reach():
    graph = build_graphs([PAIR], CONFIG, n_atoms=3, capacity=2)
    np.testing.assert_array_equal(graph.species, [[1, 0, -1]])
    np.testing.assert_array_equal(graph.neighbor_species, [[[0, -1], [1, -1], [-1, -1]]])
    np.testing.assert_array_equal(graph.reverse, [[[2, 1], [0, 3], [4, 5]]])
    assert (np.linalg.norm(graph.vectors, axis=-1)[graph.neighbor_species < 0] == 4.0).all()
    assert np.isnan(graph.volume).all()


def test_one_graph_has_no_batch_axis():
    graph = build_graph(PAIR, CONFIG)
    assert graph.species.shape == (2,)
    assert graph.vectors.shape == (2, 8, 3)


def test_too_little_room_is_refused():
    with pytest.raises(ValueError, match="n_atoms must be at least 2, received 1"):
        build_graphs([PAIR], CONFIG, n_atoms=1)
    with pytest.raises(ValueError, match="at least one structure, received none"):
        build_graphs([], CONFIG)


def test_species_are_indices_into_the_elements():
    np.testing.assert_array_equal(species_of(np.array([8, 1, 8]), (1, 6, 8)), [2, 0, 2])
