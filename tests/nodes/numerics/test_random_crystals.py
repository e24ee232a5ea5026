import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.cell import Cell
from scipy.optimize import approx_fprime

from nodes.numerics import random_crystals
from nodes.numerics.random_crystals import (
    LATTICE_SYSTEMS,
    closest_ratio,
    push_apart,
    random_cell,
    surely_too_dense,
)

LATTICES = {
    "cubic": {"CUB"},
    "tetragonal": {"TET"},
    "orthorhombic": {"ORC"},
    "hexagonal": {"HEX"},
    "rhombohedral": {"RHL"},
    "monoclinic": {"MCL"},
    "triclinic": {"TRI"},
}


@pytest.mark.parametrize("system", LATTICE_SYSTEMS)
def test_cells_are_of_their_lattice_system(system):
    """What a lattice is, is told by ASE."""
    for seed in range(5):
        cell = random_cell(np.random.default_rng(seed), system, 50.0)
        assert np.linalg.det(cell) == pytest.approx(50.0)
        assert Cell(cell).get_bravais_lattice(eps=1e-5).name in LATTICES[system]


def test_an_unknown_system_is_refused():
    with pytest.raises(ValueError, match=r"system must be one of .* received 'round'"):
        random_cell(np.random.default_rng(0), "round", 1.0)


def test_closest_ratio_is_that_of_the_distances_of_ase():
    rng = np.random.default_rng(1)
    cell = random_cell(rng, "triclinic", 60.0)
    positions = rng.random((4, 3)) @ cell
    separations = np.full((4, 4), 1.7)
    shortest = Atoms("H4", positions, cell=cell, pbc=True).repeat(3).get_all_distances(mic=True)
    shortest = shortest[~np.eye(len(shortest), dtype=bool)].min()
    assert closest_ratio(positions, cell, separations) == pytest.approx(shortest / 1.7)


def test_a_lone_atom_meets_its_own_images():
    cell = ase.build.bulk("Cu", a=4.0).cell.array
    ratio = closest_ratio(np.zeros((1, 3)), cell, np.array([[2.0]]))
    assert ratio == pytest.approx(np.sqrt(2.0))


def test_atoms_are_pushed_apart_and_no_farther():
    rng = np.random.default_rng(2)
    cell = random_cell(rng, "monoclinic", 16 * 12.0)
    start = rng.random((16, 3)) @ cell
    separations = np.full((16, 16), 1.9)
    assert closest_ratio(start, cell, separations) < 0.5
    moved = push_apart(start, cell, separations)
    assert closest_ratio(moved, cell, separations) >= 1.0
    np.testing.assert_array_equal(push_apart(moved, cell, separations / 1.03), moved)


def test_the_repulsion_is_the_gradient_of_its_energy(monkeypatch):
    seen = {}

    def catch(energy, start, **_):
        seen.update(energy=energy, start=start)
        return type("Found", (), {"x": start})

    monkeypatch.setattr(random_crystals, "minimize", catch)
    rng = np.random.default_rng(3)
    cell = random_cell(rng, "triclinic", 40.0)
    push_apart(rng.random((5, 3)) @ cell, cell, np.full((5, 5), 2.2))
    numerical = approx_fprime(seen["start"], lambda x: seen["energy"](x)[0], 1e-7)
    np.testing.assert_allclose(seen["energy"](seen["start"])[1], numerical, atol=1e-5)


def test_the_densest_packing_is_the_limit():
    crystal = ase.build.bulk("Cu", a=4.0)
    touching = 4.0 / np.sqrt(2.0)
    volume = crystal.get_volume()
    assert not surely_too_dense(np.array([1]), np.array([touching - 1e-9]), volume)
    assert surely_too_dense(np.array([1]), np.array([touching + 1e-6]), volume)
