"""Taking structures apart, and which results count."""

import sys

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixCartesian, Hookean

from zn_pipeline.serialize.frames.snapshot import (
    assemble,
    copy_frame,
    take_apart,
    valid_results,
)


def test_apart_and_together(random_frames, assert_same_frame):
    for atoms in random_frames(5, 20):
        assert_same_frame(assemble(take_apart(atoms)), atoms)
        assert_same_frame(copy_frame(atoms), atoms)


@pytest.mark.parametrize("constraint", [FixAtoms([1]), FixCartesian([0]), Hookean(0, 1, 5.0, 1.0)])
def test_constraints(constraint):
    atoms = Atoms("H2", constraint=constraint)
    (back,) = assemble(take_apart(atoms)).constraints
    assert str(back.todict()) == str(constraint.todict())


def test_a_constraint_without_a_description_is_refused():
    class Nail:
        def adjust_positions(self, atoms, new):
            pass

    with pytest.raises(TypeError, match="constraints must have a todict method, received Nail"):
        take_apart(Atoms("H", constraint=Nail()))


def test_results_of_a_live_calculator():
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]], calculator=EMT())
    assert valid_results(atoms) == {}
    energy = atoms.get_potential_energy()
    assert valid_results(atoms)["energy"] == energy


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda atoms: atoms.rattle(0.1), "positions"),
        (lambda atoms: atoms.set_cell([5, 5, 5]), "cell"),
        (lambda atoms: atoms.set_pbc(True), "pbc"),
        (lambda atoms: atoms.set_atomic_numbers([1, 2]), "numbers"),
    ],
)
def test_results_of_another_structure(change, name):
    atoms = Atoms("H2")
    atoms.calc = SinglePointCalculator(atoms, energy=1.0)
    atoms.set_tags([1, 2])
    assert valid_results(atoms) == {"energy": 1.0}
    change(atoms)
    with pytest.raises(ValueError, match=f"computed for other {name}; drop them with"):
        valid_results(atoms)


def test_results_that_are_none_are_absent():
    atoms = Atoms("H")
    atoms.calc = SinglePointCalculator(atoms)
    atoms.calc.results.update(energy=1.0, stress=None)
    assert valid_results(atoms) == {"energy": 1.0}


def test_velocities_become_momenta():
    values = take_apart(Atoms("HO"))
    velocities = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(assemble(values, velocities).get_velocities(), velocities)


def test_copies_share_nothing():
    atoms = Atoms("H", info={"x": [1]})
    atoms.calc = SinglePointCalculator(atoms, forces=np.zeros((1, 3)))
    twin = copy_frame(atoms)
    twin.info["x"].append(2)
    twin.calc.results["forces"][:] = 1
    assert atoms.info == {"x": [1]}
    assert not atoms.calc.results["forces"].any()


class Named(Atoms):
    """Atoms with something that cannot be copied."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.stream = sys.stdout


def test_copies_are_independent(random_frames):
    for atoms in random_frames(6, 30):
        text = repr([atoms.todict(), atoms.info, atoms.calc and atoms.calc.results])
        twin = copy_frame(atoms)
        twin.positions += 1
        twin.cell[:] += 1
        twin.pbc[:] = ~twin.pbc
        twin.info.clear()
        twin.set_celldisp(np.ones(3))
        for constraint in twin.constraints:
            constraint.index = [1]
        if twin.calc:
            twin.calc.results.clear()
        assert repr([atoms.todict(), atoms.info, atoms.calc and atoms.calc.results]) == text
        if atoms.calc:
            atoms.calc.results.setdefault("energy", 1.0)
            assert copy_frame(atoms).get_potential_energy() == atoms.calc.results["energy"]


def test_atoms_of_other_classes():
    atoms = Named("H", info={"x": [1]})
    atoms.more = sys.stdout
    twin = copy_frame(atoms)
    twin.info["x"].append(2)
    assert type(twin) is Named
    assert atoms.info == {"x": [1]}
    plain = Atoms("H")
    plain.more = sys.stdout
    assert copy_frame(plain) == plain
