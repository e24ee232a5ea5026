"""Deformations against NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from nodes.numerics.md.moving import Moving
from nodes.numerics.md.moving.strain import (
    as_tensor,
    center_of_mass,
    deformation,
    inverse,
    pressure_tensor,
    times,
    trace,
    volume_of,
)

from .reference_systems import conditions

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(3, 3))


def test_small_matrices():
    rows = RNG.normal(size=(5, 3))
    np.testing.assert_allclose(times(jnp.asarray(rows), jnp.asarray(MATRIX)), rows @ MATRIX)
    np.testing.assert_allclose(inverse(jnp.asarray(MATRIX)), np.linalg.inv(MATRIX), atol=1e-12)
    assert float(trace(jnp.asarray(MATRIX))) == pytest.approx(np.trace(MATRIX))
    assert float(volume_of(jnp.asarray(MATRIX))) == pytest.approx(abs(np.linalg.det(MATRIX)))
    np.testing.assert_array_equal(as_tensor(jnp.asarray(2.0)), 2 * np.eye(3))
    np.testing.assert_array_equal(as_tensor(jnp.asarray(MATRIX)), MATRIX)


def test_a_deformation_is_an_exponential_to_second_order():
    errors = [
        np.abs(deformation(h * jnp.asarray(MATRIX)) - expm(h * MATRIX)).max() for h in (0.02, 0.01)
    ]
    assert errors[0] / errors[1] == pytest.approx(8.0, rel=0.1)
    there, back = deformation(0.1 * jnp.asarray(MATRIX)), deformation(-0.1 * jnp.asarray(MATRIX))
    np.testing.assert_allclose(there @ back, np.eye(3), atol=1e-12)


def test_pressure_is_that_of_ase():
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    masses, velocities = np.array([1.0, 12.0]), RNG.normal(size=(2, 3))
    virial = MATRIX + MATRIX.T
    cell = 4.0 * np.eye(3)
    atoms = Atoms("HC", cell=cell, pbc=True, masses=masses, velocities=velocities)
    stress = (virial / 64.0)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    atoms.calc = SinglePointCalculator(atoms, stress=stress)
    zero = jnp.zeros((2, 3))
    moving = Moving(zero, jnp.asarray(velocities), zero, jnp.asarray(virial), jnp.asarray(cell), ())
    found = pressure_tensor(moving, conditions(masses)) / 64.0
    expected = -atoms.get_stress(include_ideal_gas=True, voigt=False)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_centre_is_that_of_mobile_mass():
    around = conditions([1.0, 3.0, 1000.0])
    around = around._replace(mobile=around.mobile.at[2].set(0.0))
    positions = jnp.asarray(RNG.random((3, 3)))
    moving = Moving(positions, positions, positions, positions, positions, ())
    expected = (positions[0] + 3 * positions[1]) / 4
    np.testing.assert_allclose(center_of_mass(moving, around), expected)
