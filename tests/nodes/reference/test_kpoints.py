import ase.build
import numpy as np
import pytest
from ase import Atoms

from nodes.reference.kpoints import gamma_grid, kpoints


def test_a_molecule_gets_the_gamma_point_whatever_is_asked_for():
    water = ase.build.molecule("H2O", vacuum=3.0)
    assert kpoints(water, spacing_per_angstrom=0.01) == (1, 1, 1)
    assert kpoints(water, grid=(4, 4, 4)) == (1, 1, 1)
    assert kpoints(ase.build.molecule("H2O"), spacing_per_angstrom=0.1) == (1, 1, 1)


@pytest.mark.parametrize("pbc", [(1, 1, 0), (1, 0, 1), (0, 1, 1), (0, 0, 1)])
def test_axes_that_are_not_periodic_get_one_point(pbc):
    atoms = Atoms("Cu", cell=[4.0, 4.0, 4.0], pbc=pbc)
    assert kpoints(atoms, grid=(2, 3, 4)) == tuple(np.where(pbc, (2, 3, 4), 1))
    numbers = kpoints(atoms, spacing_per_angstrom=0.4)
    assert numbers == tuple(np.where(pbc, 4, 1))


def test_the_spacing_is_the_largest_distance_of_neighbours():
    atoms = ase.build.bulk("Si").repeat((1, 2, 3))
    spacing = 0.25
    numbers = np.array(kpoints(atoms, spacing_per_angstrom=spacing))
    lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(atoms.cell.array).T, axis=1)
    assert (lengths / numbers <= spacing + 1e-9).all()
    assert (lengths / (numbers - 1) > spacing).all()


def test_an_exact_multiple_gets_no_further_point():
    atoms = Atoms("Cu", cell=[5.0, 5.0, 5.0], pbc=True)
    assert kpoints(atoms, spacing_per_angstrom=2 * np.pi / 5.0 / 3) == (3, 3, 3)


def test_left_out_vacuum_of_a_slab_does_not_matter():
    slab = ase.build.fcc111("Al", (1, 1, 2))
    numbers = kpoints(slab, spacing_per_angstrom=0.3)
    assert numbers[0] == numbers[1] > 1
    assert numbers[2] == 1


def test_nothing_said_is_gamma():
    assert kpoints(ase.build.bulk("Si")) == (1, 1, 1)


def test_unusable_settings_are_refused():
    silicon = ase.build.bulk("Si")
    with pytest.raises(ValueError, match=r"by their spacing or by their grid, received both 0.2"):
        kpoints(silicon, spacing_per_angstrom=0.2, grid=(1, 1, 1))
    with pytest.raises(ValueError, match=r"spacing of k-points must be positive, received 0"):
        kpoints(silicon, spacing_per_angstrom=0)
    with pytest.raises(ValueError, match=r"3 positive numbers, received \(2, 2\)"):
        kpoints(silicon, grid=(2, 2))
    with pytest.raises(ValueError, match=r"periodic axes must have a length"):
        kpoints(Atoms("Cu", cell=[4, 4, 0], pbc=True), spacing_per_angstrom=0.2)


@pytest.mark.parametrize("numbers", [(1, 1, 1), (2, 2, 2), (3, 1, 2), (4, 3, 1)])
def test_a_reduced_grid_stands_for_the_whole(numbers):
    points, weights = gamma_grid(numbers)
    assert weights.sum() == pytest.approx(1.0)
    assert (np.abs(points) <= 0.5).all()
    assert (points[0] == 0).all()
    # Sums over a function that is the same at k and -k and periodic, here and on the whole grid.
    whole = np.indices(numbers).reshape(3, -1).T / np.array(numbers)

    def function(k):
        return np.cos(2 * np.pi * k @ [1, 2, 1]) + np.cos(2 * np.pi * k @ [2, -1, 3]) ** 2

    assert weights @ function(points) == pytest.approx(function(whole).mean())
    if numbers == (2, 2, 2):
        assert len(points) == 8
    if numbers == (4, 3, 1):
        assert len(points) == 7
