import ase.build
import numpy as np
import pytest
import spglib

from nodes.numerics.crystal_symmetry import distinct_planes, point_group

CRYSTALS = {
    "fcc": ase.build.bulk("Cu"),
    "fcc cube": ase.build.bulk("Cu", cubic=True),
    "hcp": ase.build.bulk("Ti"),
    "zincblende": ase.build.bulk("GaAs", "zincblende", a=5.6),
    "rocksalt": ase.build.bulk("NaCl", "rocksalt", a=5.6, cubic=True),
    "wurtzite": ase.build.bulk("ZnO", "wurtzite", a=3.25, c=5.2),
    "tetragonal": ase.build.bulk("Sn", "bct", a=5.8, c=3.2),
}


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
@pytest.mark.parametrize("name", CRYSTALS)
def test_rotations_are_those_of_spglib(name):
    crystal = CRYSTALS[name]
    found = point_group(crystal.numbers, crystal.positions, crystal.cell.array)
    data = (crystal.cell.array, crystal.get_scaled_positions(), crystal.numbers)
    expected = {tuple(w.ravel()) for w in spglib.get_symmetry(data, symprec=1e-3)["rotations"]}
    # spglib's matrices act on columns of coordinates, ours on rows of lattice vectors.
    assert {tuple(w.T.ravel()) for w in found} == expected


def test_an_oblique_description_has_the_same_rotations():
    crystal = ase.build.bulk("Cu")
    cell = np.array([[1, 0, 0], [5, 1, 0], [-3, 4, 1]]) @ crystal.cell.array
    assert len(point_group(crystal.numbers, crystal.positions, cell)) == 48


def test_a_displaced_atom_breaks_the_symmetry():
    crystal = ase.build.bulk("NaCl", "rocksalt", a=5.6)
    crystal.positions[0] += (0.1, 0.2, 0.3)
    assert len(point_group(crystal.numbers, crystal.positions, crystal.cell.array)) == 1


def test_planes_of_a_cube():
    crystal = CRYSTALS["fcc cube"]
    rotations = point_group(crystal.numbers, crystal.positions, crystal.cell.array)
    planes = distinct_planes(rotations, 2)
    assert planes == [(1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 1, 0), (2, 1, 1), (2, 2, 1)]


def test_all_planes_are_distinct_without_symmetry():
    """Of 26 directions with indices up to 1, those that differ by the sign are one plane."""
    planes = distinct_planes(np.eye(3, dtype=int)[None], 1)
    assert len(planes) == 13
    assert planes[:3] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]


def test_planes_that_are_alike_have_one_spacing():
    crystal = CRYSTALS["hcp"]
    rotations = point_group(crystal.numbers, crystal.positions, crystal.cell.array)
    planes = distinct_planes(rotations, 1)
    reciprocal = crystal.cell.reciprocal().array
    spacings = {round(float(np.linalg.norm(np.array(hkl) @ reciprocal)), 6) for hkl in planes}
    assert len(spacings) == len(planes) == 5
