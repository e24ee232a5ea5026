import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT

import zn_pipeline as zn
from nodes.structures.supercells import BuildSupercells


def built(structures, max_n_atoms):
    node = BuildSupercells(structures=structures, max_n_atoms=max_n_atoms)
    node.run()
    return node.frames


def test_a_primitive_cell_becomes_the_largest_cube():
    (cube,) = built([ase.build.bulk("Cu", a=3.6)], 120)
    assert len(cube) == 108
    np.testing.assert_allclose(cube.cell.array @ cube.cell.array.T, np.eye(3) * 10.8**2, atol=1e-9)


def test_it_is_the_same_crystal():
    crystal = ase.build.bulk("Cu", a=3.6)
    (large,) = built([crystal], 30)
    energies = []
    for atoms in (crystal.copy(), large.copy()):
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy() / len(atoms))
    assert energies[0] == pytest.approx(energies[1])
    matrix = large.info["supercell_matrix"]
    np.testing.assert_allclose(matrix @ crystal.cell.array, large.cell.array)
    assert round(np.linalg.det(matrix)) * len(crystal) == len(large)


def test_unusable_input_is_refused():
    with pytest.raises(ValueError, match=r"BuildSupercells\.structures must be periodic .* row 1"):
        built([ase.build.bulk("Cu"), ase.build.molecule("H2O")], 10)
    with pytest.raises(ValueError, match=r"BuildSupercells\.max_n_atoms must be at least"):
        built([ase.build.bulk("Cu", cubic=True)], 3)


def test_the_node_keeps_the_contract():
    zn.testing.check_node(BuildSupercells, structures=[ase.build.bulk("Ti")], max_n_atoms=16)
