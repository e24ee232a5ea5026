import ase.units
import numpy as np
import pytest

from nodes.numerics.normal_modes import (
    harmonic_thermodynamics,
    hessian_from_forces,
    normal_modes,
    thermal_widths,
)

SPRING = 30.0  # eV/Angstrom^2
MASSES = np.array([1.0, 16.0])


def diatomic(direction):
    """Return Hessian and positions of two atoms on a spring along a direction."""
    unit = np.array(direction) / np.linalg.norm(direction)
    block = SPRING * np.outer(unit, unit)
    return np.block([[block, -block], [-block, block]]), np.array([np.zeros(3), unit])


@pytest.mark.parametrize("direction", [(1, 0, 0), (1, 2, 3)])
def test_a_diatomic_has_its_one_frequency(direction):
    hessian, positions = diatomic(direction)
    modes = normal_modes(hessian, MASSES, positions, rotations=True)
    reduced = MASSES.prod() / MASSES.sum() * ase.units._amu
    hertz = np.sqrt(SPRING * ase.units._e * 1e20 / reduced) / (2 * np.pi)
    assert modes.frequencies_per_cm.shape == (1,)
    assert modes.frequencies_per_cm[0] == pytest.approx(hertz / (ase.units._c * 100), rel=1e-6)
    # Mass-weighted, each mode has unit length.
    norm = (MASSES[:, None] * modes.displacements[0] ** 2).sum()
    assert norm == pytest.approx(1.0)


def test_without_rotations_to_project_out_they_are_soft_modes():
    hessian, positions = diatomic((0, 0, 1))
    modes = normal_modes(hessian, MASSES, positions, rotations=False)
    assert len(modes.frequencies_per_cm) == 3
    assert np.abs(modes.frequencies_per_cm[:2]).max() < 1e-3


def test_imaginary_frequencies_are_negative():
    hessian, positions = diatomic((0, 0, 1))
    modes = normal_modes(-hessian, MASSES, positions, rotations=True)
    assert modes.frequencies_per_cm[0] < -1000


def test_the_hessian_of_linear_forces_is_exact():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(6, 6))
    true += true.T
    step = 0.01
    moved = step * np.eye(6)
    plus = (-moved @ true).reshape(2, 3, 2, 3)
    minus = (moved @ true).reshape(2, 3, 2, 3)
    np.testing.assert_allclose(hessian_from_forces(plus, minus, step), true, atol=1e-12)


def test_widths_follow_the_oscillator():
    hessian, positions = diatomic((0, 0, 1))
    modes = normal_modes(hessian, MASSES, positions, rotations=True)
    # Equipartition: half of w^2 q^2 is half of kT.
    width = thermal_widths(modes, 500.0, quantum=False)
    np.testing.assert_allclose(modes.angular * width, np.sqrt(ase.units.kB * 500.0), rtol=1e-6)
    # Zero point: w^2 q^2 / 2 is a quarter of the quantum; hot quantum is classical.
    quantum = modes.frequencies_per_cm * ase.units.invcm
    zero = thermal_widths(modes, 0.0, quantum=True)
    np.testing.assert_allclose(0.5 * (modes.angular * zero) ** 2, quantum / 4, rtol=1e-6)
    hot = thermal_widths(modes, 1e6, quantum=True)
    np.testing.assert_allclose(hot, thermal_widths(modes, 1e6, quantum=False), rtol=1e-4)


def test_thermodynamics_against_those_of_ase():
    from ase.thermochemistry import HarmonicThermo

    terahertz = np.array([[2.0, 5.0, 9.0]])
    quanta = terahertz[0] * 1e12 * ase.units._hplanck / ase.units._e
    thermo = HarmonicThermo(quanta)
    temperatures = np.array([50.0, 300.0, 900.0])
    free, entropy, heat = harmonic_thermodynamics(terahertz, np.ones(1), temperatures)
    for k, temperature in enumerate(temperatures):
        assert free[k] == pytest.approx(
            thermo.get_helmholtz_energy(temperature, verbose=False), rel=1e-5
        )
        assert entropy[k] == pytest.approx(thermo.get_entropy(temperature, verbose=False), rel=1e-5)
        energies = [thermo.get_internal_energy(temperature + d, verbose=False) for d in (0.1, -0.1)]
        assert heat[k] == pytest.approx((energies[0] - energies[1]) / 0.2, rel=1e-5)


def test_cold_oscillators_rest_at_their_zero_point():
    free, entropy, heat = harmonic_thermodynamics(
        np.array([[4.0, -1.0], [0.0, 6.0]]), np.array([3.0, 1.0]), np.zeros(1)
    )
    planck = 1e12 * ase.units._hplanck / ase.units._e
    assert free[0] == pytest.approx(planck * (0.75 * 4.0 + 0.25 * 6.0) / 2, rel=1e-6)
    assert entropy[0] == heat[0] == 0.0
