import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.md.lists import each_replica, graph_of, lists_are_stale, rebuild_lists, still_of
from nodes.numerics.neighbors import ListSpec, neighbor_edges

pytestmark = pytest.mark.slow

CELLS = np.stack([4.0 * np.eye(3), 5.0 * np.eye(3)])
SPEC = ListSpec(3.0, 0.5, 60, (True, True, True), (2, 2, 2))
PRESENT = jnp.array([[True] * 4, [True, True, True, False]])


@pytest.fixture(scope="module")
def positions():
    return jnp.asarray(np.random.default_rng(0).uniform(0, 4, (2, 4, 3)))


@pytest.fixture(scope="module")
def lists(positions):
    return rebuild_lists(SPEC, PRESENT, positions, jnp.asarray(CELLS))


def test_each_replica_has_the_edges_of_its_own_atoms(positions, lists):
    neighbors, needed = lists
    species = jnp.where(PRESENT, 0, -1)
    cells = jnp.asarray(CELLS)
    still, changing = (
        still_of(SPEC, neighbors, species, cells, cell_changes=changes) for changes in (False, True)
    )
    graph = graph_of(SPEC, neighbors, species, still, positions, cells)
    anew = graph_of(SPEC, neighbors, species, changing, positions, cells)
    np.testing.assert_allclose(graph.vectors, anew.vectors, atol=1e-5)
    lengths = np.linalg.norm(graph.vectors, axis=-1)
    for replica, n in enumerate((4, 3)):
        own = np.asarray(positions[replica, :n], np.float64)
        edges = neighbor_edges(own, CELLS[replica], np.ones(3, bool), 3.5)
        expected = np.sort(np.linalg.norm(edges.vectors, axis=-1))
        occupied = np.asarray(neighbors.occupied[replica])
        np.testing.assert_allclose(np.sort(lengths[replica][occupied]), expected, rtol=1e-5)
        assert int(needed[replica]) == np.bincount(edges.receivers).max()
        np.testing.assert_array_equal(graph.neighbor_species[replica] == 0, occupied)


def test_only_present_atoms_and_changed_cells_make_a_list_stale(positions, lists):
    neighbors, _ = lists

    def stale(positions, cells, *, cell_changes):
        found = lists_are_stale(
            SPEC, neighbors, PRESENT, positions, jnp.asarray(cells), cell_changes=cell_changes
        )
        return found.tolist()

    for cell_changes in (False, True):
        assert stale(positions, CELLS, cell_changes=cell_changes) == [False, False]
        moved = positions.at[:, 3].add(0.3)
        assert stale(moved, CELLS, cell_changes=cell_changes) == [True, False]
    # A cell that shrinks by a fifth brings pairs from beyond 3.5 to within 3 Angstrom.
    cells = CELLS * np.array([0.8, 1.0])[:, None, None]
    strained = positions.at[0].multiply(0.8)
    assert stale(strained, cells, cell_changes=True) == [True, False]


def test_one_replica_alone_keeps_its_axis():
    assert each_replica(lambda x: 2 * x, jnp.ones((1, 3))).shape == (1, 3)
    np.testing.assert_array_equal(each_replica(jnp.sum, jnp.ones((2, 3))), [3.0, 3.0])
