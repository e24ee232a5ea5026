"""Every integrator is compared, step by step, with an independent implementation in ASE."""

import ase.build
import numpy as np
import pytest
from ase import units
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.md.bussi import Bussi
from ase.md.langevinbaoab import LangevinBAOAB
from ase.md.nose_hoover_chain import IsotropicMTKNPT
from ase.md.verlet import VelocityVerlet

from nodes.dynamics import integrators
from nodes.dynamics.integrators import (
    BerendsenNPT,
    Conditions,
    Integrator,
    Langevin,
    MtkNPT,
    VelocityRescaling,
    Verlet,
    degrees_of_freedom,
    evaluate,
    temperature_of,
)
from nodes.dynamics.trajectory import thermal_momenta

TIMESTEP = 4.0 * units.fs


def warm(*, fixed=False, strain=1.0, repeat=1):
    atoms = ase.build.bulk("Cu", cubic=True).repeat(repeat)
    atoms.rattle(0.05, seed=1)
    atoms.set_cell(atoms.cell * strain, scale_atoms=True)
    if fixed:
        atoms.set_constraint(FixAtoms([0]))
    atoms.set_momenta(thermal_momenta(atoms, 600.0, np.random.default_rng(3)))
    atoms.calc = EMT()
    return atoms


def moved(integrator, atoms, n_steps, *, temperature_k=600.0, pressure=0.0, seed=5):
    state, rng = {}, np.random.default_rng(seed)
    evaluate(integrator, atoms, state)
    for _ in range(n_steps):
        integrator.step(atoms, state, Conditions(TIMESTEP, temperature_k, pressure), rng)
    return atoms


def assert_same_motion(ours, theirs):
    np.testing.assert_allclose(ours.positions, theirs.positions, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.get_momenta(), theirs.get_momenta(), rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.cell.array, theirs.cell.array, rtol=0, atol=1e-9)


@pytest.mark.parametrize("fixed", [False, True])
def test_verlet_moves_as_that_of_ase(fixed):
    theirs = warm(fixed=fixed)
    VelocityVerlet(theirs, TIMESTEP).run(30)
    assert_same_motion(moved(Verlet(), warm(fixed=fixed), 30), theirs)


@pytest.mark.parametrize("fixed", [False, True])
def test_langevin_moves_as_baoab_of_ase_with_the_same_random_numbers(fixed):
    theirs = warm(fixed=fixed)
    LangevinBAOAB(
        theirs, TIMESTEP, temperature_K=600.0, T_tau=100.0 * units.fs, rng=np.random.default_rng(5)
    ).run(30)
    assert_same_motion(moved(Langevin(friction_per_ps=10.0), warm(fixed=fixed), 30), theirs)


def test_velocity_rescaling_moves_as_bussi_of_ase_with_the_same_random_numbers():
    theirs = warm(fixed=True)  # with a constraint both count the same degrees of freedom
    Bussi(theirs, TIMESTEP, 600.0, taut=50.0 * units.fs, rng=np.random.default_rng(5)).run(30)
    assert_same_motion(
        moved(VelocityRescaling(time_constant_fs=50.0), warm(fixed=True), 30), theirs
    )


def test_mtk_moves_as_that_of_ase(monkeypatch):
    # ASE counts 3N degrees of freedom although the total momentum is zero.
    monkeypatch.setattr(
        integrators, "degrees_of_freedom", lambda atoms, *, conserves_momentum: 3 * len(atoms)
    )
    theirs = warm()
    IsotropicMTKNPT(
        theirs, TIMESTEP, 600.0, pressure_au=2.0 * units.GPa, tdamp=100 * units.fs,
        pdamp=500 * units.fs,
    ).run(30)  # fmt: skip
    ours = moved(MtkNPT(100.0, 500.0), warm(), 30, pressure=2.0 * units.GPa)
    assert_same_motion(ours, theirs)


def test_verlet_conserves_energy_and_momentum():
    atoms = warm(repeat=2)
    before = atoms.get_total_energy()
    moved(Verlet(), atoms, 100)
    assert atoms.get_total_energy() == pytest.approx(before, abs=2e-3 * len(atoms) * 0.1)
    np.testing.assert_allclose(atoms.get_momenta().sum(axis=0), 0.0, atol=1e-10)


def test_berendsen_reaches_temperature_and_pressure():
    atoms = warm(strain=1.02)
    state, rng = {}, np.random.default_rng(0)
    integrator = BerendsenNPT(50.0, 100.0)
    evaluate(integrator, atoms, state)
    temperatures, pressures = [], []
    for step in range(600):
        integrator.step(atoms, state, Conditions(TIMESTEP, 300.0, 3.0 * units.GPa), rng)
        if step >= 200:
            temperatures.append(temperature_of(atoms, integrator))
            stress = atoms.get_stress(include_ideal_gas=True)
            pressures.append(-stress[:3].mean() / units.GPa)
    assert np.mean(temperatures) == pytest.approx(300.0, rel=0.05)
    assert np.mean(pressures) == pytest.approx(3.0, abs=0.3)


@pytest.mark.parametrize("integrator", [Langevin(50.0), VelocityRescaling(20.0)])
def test_thermostats_sample_the_temperature_asked_for(integrator):
    atoms = warm(repeat=2)
    state, rng, values = {}, np.random.default_rng(2), []
    evaluate(integrator, atoms, state)
    for step in range(500):
        integrator.step(atoms, state, Conditions(TIMESTEP, 400.0), rng)
        if step >= 100:
            values.append(temperature_of(atoms, integrator))
    assert np.mean(values) == pytest.approx(400.0, rel=0.05)


def test_conserved_momentum_is_no_degree_of_freedom():
    assert degrees_of_freedom(warm(), conserves_momentum=True) == 9
    assert degrees_of_freedom(warm(), conserves_momentum=False) == 12
    assert degrees_of_freedom(warm(fixed=True), conserves_momentum=True) == 9
    assert degrees_of_freedom(ase.Atoms("H"), conserves_momentum=True) == 3


@pytest.mark.parametrize("cls", [Verlet, Langevin, VelocityRescaling, BerendsenNPT, MtkNPT])
def test_specs_are_integrators(cls):
    assert isinstance(cls(), Integrator)


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (Langevin, "friction_per_ps"),
        (VelocityRescaling, "time_constant_fs"),
        (BerendsenNPT, "temperature_time_fs"),
        (BerendsenNPT, "pressure_time_fs"),
        (BerendsenNPT, "compressibility_per_gpa"),
        (MtkNPT, "temperature_time_fs"),
        (MtkNPT, "pressure_time_fs"),
    ],
)
def test_settings_must_be_positive(cls, name):
    with pytest.raises(ValueError, match=rf"{name} must be positive, received 0\.0"):
        cls(**{name: 0.0})
