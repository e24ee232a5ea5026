from dataclasses import dataclass

import ase.build
import numpy as np
import pytest

import zn_pipeline as zn
from nodes.reference.calculators import Emt, LennardJones
from nodes.reference.committee import Committee

MEMBERS = [
    LennardJones(epsilon_ev=0.4, sigma_angstrom=2.3),
    LennardJones(epsilon_ev=0.5, sigma_angstrom=2.2),
    Emt(),
]


def crystal():
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def test_mean_and_spread_are_those_of_the_members():
    names = ("energy", "forces", "stress", "energy_std", "forces_std", "energy_members")
    labelled = zn.Evaluate(Committee(MEMBERS), (*names, "forces_members"))(crystal())
    singles = []
    for member in MEMBERS:
        atoms = crystal()
        atoms.calc = member.get_calculator()
        singles.append(atoms)
    energies = [atoms.get_potential_energy() for atoms in singles]
    forces = np.array([atoms.get_forces() for atoms in singles])
    assert labelled.get_potential_energy() == pytest.approx(np.mean(energies))
    np.testing.assert_allclose(labelled.get_forces(), forces.mean(axis=0))
    stresses = [atoms.get_stress() for atoms in singles]
    np.testing.assert_allclose(labelled.get_stress(), np.mean(stresses, axis=0))
    assert labelled.info["energy_std"] == pytest.approx(np.std(energies, ddof=1))
    np.testing.assert_allclose(labelled.arrays["forces_std"], forces.std(axis=0, ddof=1))
    np.testing.assert_allclose(labelled.info["energy_members"], energies)
    np.testing.assert_allclose(labelled.arrays["forces_members"][:, 1], forces[1])


def test_only_what_all_members_have_is_offered():
    @dataclass(frozen=True)
    class EnergyAlone:
        def get_calculator(self, directory=None):
            calculator = Emt().get_calculator()
            calculator.implemented_properties = ["energy"]
            return calculator

    calculator = Committee([Emt(), EnergyAlone()]).get_calculator()
    assert calculator.implemented_properties == ["energy", "energy_std", "energy_members"]


def test_each_member_has_its_own_folder(tmp_path):
    folders = []

    @dataclass(frozen=True)
    class Filing:
        def get_calculator(self, directory=None):
            folders.append(directory)
            return Emt().get_calculator()

    Committee((Filing(), Filing())).get_calculator(tmp_path)
    assert folders == [tmp_path / "0", tmp_path / "1"]


def test_a_committee_of_one_is_refused():
    with pytest.raises(ValueError, match="members must be two or more, received 1"):
        Committee([Emt()])
