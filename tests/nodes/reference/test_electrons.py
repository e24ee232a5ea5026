import ase.build
import pytest

from nodes.reference.electrons import charge_and_multiplicity, total_charge


def test_the_charge_is_given_or_of_the_structure():
    water = ase.build.molecule("H2O")
    assert total_charge(water) == 0
    water.set_initial_charges([-0.4, -0.3, -0.3])
    assert total_charge(water) == -1
    water.info["charge"] = 2
    assert total_charge(water) == 2
    assert total_charge(water, 0) == 0


@pytest.mark.parametrize(
    ("name", "charge", "expected"), [("H2O", 0, 1), ("OH", 0, 2), ("OH", -1, 1), ("H2O", 1, 2)]
)
def test_the_lowest_multiplicity_is_the_default(name, charge, expected):
    molecule = ase.build.molecule(name)
    molecule.set_initial_magnetic_moments(None)
    assert charge_and_multiplicity(molecule, charge=charge) == (charge, expected)


def test_moments_and_what_is_said_go_first():
    oxygen = ase.build.molecule("O2")
    assert charge_and_multiplicity(oxygen) == (0, 3)  # ASE's molecule has two unpaired electrons
    oxygen.info["multiplicity"] = 5
    assert charge_and_multiplicity(oxygen) == (0, 5)
    assert charge_and_multiplicity(oxygen, multiplicity=1) == (0, 1)


def test_impossible_spins_are_refused():
    with pytest.raises(ValueError, match=r"must be odd for 10 electrons \(H2O, charge 0\)"):
        charge_and_multiplicity(ase.build.molecule("H2O"), multiplicity=2)
    with pytest.raises(ValueError, match=r"must be even for 9 electrons .* received 3"):
        charge_and_multiplicity(ase.build.molecule("H2O"), charge=1, multiplicity=3)
