"""The choice of bins."""

import numpy as np

from nodes.numerics.neighbors.cells import periodic_basis, plane_distances
from nodes.numerics.neighbors.grid import choose_grid


def random_cell(rng, low, high):
    while True:
        cell = rng.normal(size=(3, 3)) * rng.uniform(low, high)
        if plane_distances(cell).min() > 0.7:
            return cell


def test_stencil_reaches_every_pair_within_reach():
    rng = np.random.default_rng(2)
    for _ in range(100):
        cell, pbc = random_cell(rng, 1.0, 15.0), rng.random(3) < 0.7
        basis, reach = periodic_basis(cell, pbc), rng.uniform(1.0, 4.0)
        grid = choose_grid(rng.uniform(0, 1, (50, 3)) @ cell, basis, pbc, reach)
        bins, stencil = np.array(grid.bins), np.array(grid.stencil)
        heights = plane_distances(basis)
        assert (heights * stencil / bins >= 1.01 * reach)[pbc].all()
        assert grid.width >= 1.01 * reach
        # Along free directions no bin is seen twice, and either one bin holds all or m is one.
        assert (bins >= 2 * stencil + 1)[~pbc].all()
        assert ((bins == 1) | (stencil == 1))[~pbc].all()


def test_bins_have_room_and_work_is_proportional_to_the_atoms():
    rng = np.random.default_rng(3)
    pairs_per_atom = []
    for n in (1000, 8000):
        edge = 10.0 * (n / 100) ** (1 / 3)
        positions = rng.uniform(0, edge, (n, 3))
        grid = choose_grid(positions, np.eye(3) * edge, np.ones(3, bool), 3.0)
        place = np.floor(positions / edge * grid.bins).astype(int)
        assert np.unique(place, axis=0, return_counts=True)[1].max() < grid.capacity
        pairs_per_atom.append(grid.cost / n)
    assert pairs_per_atom[1] < 1.5 * pairs_per_atom[0]


def test_bins_are_few_where_atoms_are_few():
    rng = np.random.default_rng(4)
    droplet = rng.normal(size=(64, 3)) * 3.0
    grid = choose_grid(droplet, np.eye(3) * 500.0, np.ones(3, bool), 3.0)
    assert grid.cost < 27 * 64**2
    far = np.concatenate([droplet, droplet + 1e4])
    free = choose_grid(far, np.eye(3), np.zeros(3, bool), 3.0)
    assert free.cost < 27 * 128**2


def test_replicas_share_bins_with_room_for_the_fullest():
    rng = np.random.default_rng(5)
    thin = rng.uniform(0, 12.0, (60, 3))
    dense = thin * [1.0, 1.0, 0.25]
    shared = choose_grid(np.stack([thin, dense]), np.eye(3) * 12.0, np.ones(3, bool), 3.0)
    place = np.floor(dense / 12.0 * shared.bins).astype(int)
    assert np.unique(place, axis=0, return_counts=True)[1].max() < shared.capacity
