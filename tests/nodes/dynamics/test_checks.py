import dataclasses

import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from nodes.dynamics.checks import (
    Check,
    EnergyDrop,
    EnergyJump,
    MaxForce,
    MaxTemperature,
    MaxUncertainty,
    MinDistance,
    Moment,
    NotFinite,
)


@pytest.fixture
def moment():
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.calc = EMT()
    return Moment(atoms, 0, 300.0, 1.0, np.zeros((4, 3)))


def judged(check, moment, memory=None, **changes):
    memory = check.fresh() if memory is None else memory
    return check.reason(dataclasses.replace(moment, **changes), memory)


@pytest.mark.parametrize(
    "check",
    [
        EnergyDrop(1.0), EnergyJump(1.0), MaxForce(1.0), MaxTemperature(1.0), MaxUncertainty(1.0),
        MinDistance(1.0), NotFinite(),
    ],
)  # fmt: skip
def test_specs_are_checks_without_state(check):
    assert isinstance(check, Check)
    assert check.fresh() == {}
    assert check.fresh() is not check.fresh()
    with pytest.raises(dataclasses.FrozenInstanceError):
        check.limit = 1.0


def test_not_finite_looks_at_energy_forces_and_positions(moment):
    assert judged(NotFinite(), moment) is None
    assert "not finite" in judged(NotFinite(), moment, energy_ev=np.nan)
    assert "not finite" in judged(NotFinite(), moment, forces=np.full((4, 3), np.inf))
    moment.atoms.positions[0, 0] = np.nan
    assert "not finite" in judged(NotFinite(), moment)


def test_too_hot(moment):
    assert judged(MaxTemperature(300.0), moment) is None
    reason = judged(MaxTemperature(300.0), moment, temperature_k=300.5)
    assert reason == "temperature of 300.5 K exceeds 300 K"


def test_too_strong_a_force(moment):
    forces = np.zeros((4, 3))
    forces[2] = 3.0, 4.0, 0.0
    assert judged(MaxForce(5.0), moment, forces=forces) is None
    assert judged(MaxForce(4.9), moment, forces=forces).startswith("force of 5 eV/Angstrom")


def test_too_close_counts_periodic_images(moment):
    nearest = 3.61 / np.sqrt(2)
    assert judged(MinDistance(nearest - 0.01), moment) is None
    assert "distance of 2.55266" in judged(MinDistance(nearest + 0.01), moment)


def test_energy_drop_is_measured_from_the_first_energy(moment):
    check, memory = EnergyDrop(0.5), {}
    assert judged(check, moment, memory, energy_ev=10.0) is None
    assert judged(check, moment, memory, energy_ev=20.0) is None
    assert judged(check, moment, memory, energy_ev=8.0) is None
    assert "0.525 eV/atom below the start" in judged(check, moment, memory, energy_ev=7.9)
    assert memory == {"energy_ev": 10.0}


def test_energy_jump_is_measured_from_the_energy_before(moment):
    check, memory = EnergyJump(0.5), {}
    energies = (10.0, 12.0, 14.0, 12.0)
    assert [judged(check, moment, memory, energy_ev=e) for e in energies] == [None] * 4
    assert "jumped by 0.525 eV/atom" in judged(check, moment, memory, energy_ev=9.9)


def test_uncertainty_takes_any_result_of_the_calculator(moment):
    calculator = SinglePointCalculator(moment.atoms)
    calculator.results = {"forces_std": np.array([[0.1, -0.3, 0.0]] * 4), "energy_std": 0.8}
    moment.atoms.calc = calculator
    assert judged(MaxUncertainty(0.3), moment) is None
    assert judged(MaxUncertainty(0.2), moment) == "forces_std of 0.3 exceeds 0.2"
    assert judged(MaxUncertainty(0.2, "energy_std", per_atom=True), moment) is None
    assert judged(MaxUncertainty(0.1, "energy_std", per_atom=True), moment) is not None
