import ase.build
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from nodes.atoms import structure_of, structures_of


def labelled():
    atoms = ase.build.bulk("Cu").repeat((2, 1, 1))
    atoms.calc = SinglePointCalculator(atoms, energy=-1.5, forces=np.full((2, 3), 0.25))
    return atoms


def test_arrays_and_labels_are_taken_over():
    atoms = labelled()
    structure = structure_of(atoms, labelled=True)
    np.testing.assert_array_equal(structure.numbers, atoms.numbers)
    np.testing.assert_array_equal(structure.positions, atoms.positions)
    np.testing.assert_array_equal(structure.cell, atoms.cell.array)
    np.testing.assert_array_equal(structure.pbc, atoms.pbc)
    assert structure.energy == -1.5
    np.testing.assert_array_equal(structure.forces, 0.25)


def test_labels_are_left_out_unless_asked_for():
    structure = structure_of(labelled())
    assert structure.energy is None
    assert structure.forces is None


def test_a_molecule_has_no_periodic_direction():
    structure = structure_of(ase.build.molecule("H2O"))
    assert not structure.pbc.any()
    assert structure.volume is None


def test_missing_labels_are_named_with_the_row():
    unlabelled = ase.build.bulk("Cu")
    with pytest.raises(ValueError, match=r"structure 1: .* without energy and forces"):
        structures_of([labelled(), unlabelled], labelled=True)
    unlabelled.calc = SinglePointCalculator(unlabelled, energy=0.0)
    with pytest.raises(ValueError, match=r"without forces; label them with LabelFrames"):
        structures_of([unlabelled], labelled=True)


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match="at least one structure, received none"):
        structures_of([])
