"""A function sees what is in its key; its output gets the rest back."""

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from zn_pipeline.items.visible import complete, visible


@pytest.fixture
def atoms(structures):
    atoms = structures[0]
    atoms.info["charge"] = 1
    atoms.set_array("mark", np.arange(len(atoms)))
    atoms.set_constraint(FixAtoms([0]))
    atoms.calc = SinglePointCalculator(atoms, energy=1.0)
    return atoms


def test_nothing_but_what_is_read(atoms):
    seen = visible(atoms, ("info.charge", "mark"))
    assert seen.info == {"charge": 1}
    assert set(seen.arrays) == {"numbers", "positions", "mark"}
    assert not seen.constraints
    assert seen.calc is None
    np.testing.assert_array_equal(seen.cell, atoms.cell)
    assert seen.pbc.all()


def test_results_and_constraints_if_read(atoms):
    seen = visible(atoms, ("results", "constraints"))
    assert seen.calc.results == {"energy": 1.0}
    assert len(seen.constraints) == 1


@pytest.mark.parametrize("reads", ["all", ("info.charge", "mark", "constraints")])
def test_what_is_seen_is_a_copy(atoms, reads):
    seen = visible(atoms, reads)
    seen.positions += 1
    seen.cell[:] = 0
    seen.info["charge"] = 5
    seen.arrays["mark"][:] = 9
    assert atoms.info["charge"] == 1
    assert atoms.arrays["mark"].tolist() == list(range(len(atoms)))
    assert atoms.cell.volume > 0
    assert not np.array_equal(atoms.positions, seen.positions)


def test_the_output_gets_back_what_was_hidden(atoms):
    output = complete(visible(atoms, ()), atoms, ())
    assert output.info == atoms.info
    assert output.arrays["mark"].tolist() == list(range(len(atoms)))
    assert len(output.constraints) == 1


def test_what_was_read_and_removed_stays_removed(atoms):
    output = visible(atoms, ("info.charge",))
    del output.info["charge"]
    assert "charge" not in complete(output, atoms, ("info.charge",)).info


def test_other_atoms_get_no_arrays(atoms):
    output = complete(visible(atoms, ())[:1], atoms, ())
    assert "mark" not in output.arrays
    assert output.info["name"] == 0


def test_single_results_are_seen_if_they_are_read(structures):
    atoms = structures[0]
    atoms.calc = SinglePointCalculator(atoms, energy=1.0, forces=np.zeros((len(atoms), 3)))
    assert set(visible(atoms, ("results.energy",)).calc.results) == {"energy"}
    assert set(visible(atoms, ("results",)).calc.results) == {"energy", "forces"}
    assert visible(atoms, ()).calc is None


def test_the_displacement_of_the_cell_is_not_seen_and_comes_back(structures):
    atoms = structures[0]
    atoms.set_celldisp([1.0, 2.0, 3.0])
    seen = visible(atoms, ())
    assert not seen.get_celldisp().any()
    assert complete(seen, atoms, ()).get_celldisp().ravel().tolist() == [1.0, 2.0, 3.0]
    assert visible(atoms, ("celldisp",)).get_celldisp().ravel().tolist() == [1.0, 2.0, 3.0]
