import pytest
from ase import units

from nodes.training.units import energy_in_ev, length_in_angstrom


def test_units_are_those_of_codata():
    assert energy_in_ev("Hartree") == pytest.approx(27.211386, abs=1e-5)
    assert energy_in_ev("kcal/mol") == pytest.approx(0.0433641, abs=1e-6)
    assert energy_in_ev("kJ/mol") == pytest.approx(0.01036427, abs=1e-7)
    assert length_in_angstrom("Bohr") == units.Bohr
    assert energy_in_ev("eV") == length_in_angstrom("Ang") == 1.0
