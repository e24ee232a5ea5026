"""BAOAB against exact solutions."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.md.moving import Langevin
from nodes.numerics.units import FS, PS

from .reference_systems import (
    KT,
    conditions,
    free,
    pairs,
    simulate,
    springs,
    start,
    thermal_velocities,
)

N = 4000
SPRING = partial(springs, 2.0)


def test_positions_of_oscillators_are_exact_even_with_long_steps():
    constant, masses = 2.0, np.ones(N)
    # The step times the frequency is 1; the stability limit is 2.
    timestep_fs = 1.0 / np.sqrt(constant) / FS
    around = conditions(masses, timestep_fs=timestep_fs, seed=1)
    integrator = Langevin(friction_per_ps=30.0)
    moving = start(SPRING, integrator, around, np.zeros((N, 3)), np.zeros((N, 3)))
    moving, _ = simulate(SPRING, integrator, around, moving, 100)
    # 12,000 oscillators: four standard errors of a variance are 5 %.
    error = 4 * np.sqrt(2 / (3 * N))
    assert np.mean(moving.positions**2) == pytest.approx(KT / constant, rel=error)
    # Velocities are not: their variance is 1 - (dt frequency)^2 / 4 of the exact one.
    assert np.mean(moving.velocities**2) == pytest.approx(0.75 * KT, rel=error)


def test_friction_acts_at_its_rate():
    around = conditions([1.0], kt=0.0)
    integrator = Langevin(friction_per_ps=5.0)
    moving = start(free, integrator, around, np.zeros((1, 3)), np.ones((1, 3)))
    moving, _ = simulate(free, integrator, around, moving, 100)
    np.testing.assert_allclose(moving.velocities, np.exp(-5.0 / PS * 100 * FS), rtol=1e-10)


@pytest.mark.parametrize(
    "friction_per_ps", [20.0, pytest.param(160.0, marks=pytest.mark.extensive)]
)
def test_free_particles_diffuse_after_einstein(friction_per_ps):
    masses = np.full(N, 20.0)
    around = conditions(masses, timestep_fs=2.0, seed=2)
    integrator = Langevin(friction_per_ps=friction_per_ps)
    velocities = thermal_velocities(np.random.default_rng(0), masses, momentum=True)
    moving = start(free, integrator, around, np.zeros((N, 3)), velocities)
    n_steps = int(100 * 160 / friction_per_ps)
    moving, _ = simulate(free, integrator, around, moving, n_steps)
    # Ornstein and Uhlenbeck: 2 D (t - (1 - exp(-g t)) / g) with D = kT / (m g), each direction.
    rate, time = friction_per_ps / PS, n_steps * 2.0 * FS
    expected = 2 * KT / (20.0 * rate) * (time - (1 - np.exp(-rate * time)) / rate)
    # The step splits friction from drift: rate * dt is at most 0.32, an error of 0.32^2 / 12.
    error = 4 * np.sqrt(2 / 3 / N) + 0.009
    assert np.mean(moving.positions**2) == pytest.approx(expected, rel=error)


def test_energy_less_heat_is_conserved():
    masses = np.array([4.0, 12.0, 12.0, 40.0])
    rng = np.random.default_rng(1)
    drift = []
    for timestep_fs in (1.0, 0.5):
        around = conditions(masses, timestep_fs=timestep_fs)
        integrator = Langevin(friction_per_ps=20.0)
        velocities = thermal_velocities(rng, masses)
        moving = start(pairs, integrator, around, 6 * rng.random((4, 3)), velocities)
        n_steps = int(4000 / timestep_fs)
        moving, seen = simulate(pairs, integrator, around, moving, n_steps)
        drift.append(np.std(seen["conserved"]))
        assert abs(float(moving.extra["heat"])) > 0.02
    assert drift[0] < 1e-3
    assert drift[1] < drift[0]


def test_noise_depends_on_key_and_step_alone():
    integrator = Langevin()

    def noise(seed, step):
        around = conditions([1.0, 1.0], seed=seed)._replace(step=jnp.asarray(step))
        moving = start(free, integrator, around, np.zeros((2, 3)), np.zeros((2, 3)))
        return np.asarray(integrator.before(moving, around).velocities)

    np.testing.assert_array_equal(noise(4, 7), noise(4, 7))
    assert not np.array_equal(noise(4, 7), noise(4, 8))
    assert not np.array_equal(noise(4, 7), noise(5, 7))


def test_what_is_not_mobile_does_not_move():
    integrator = Langevin(friction_per_ps=100.0)
    around = conditions(np.ones(4))
    around = around._replace(mobile=around.mobile.at[1].set(0.0))
    rng = np.random.default_rng(0)
    positions, velocities = 6 * rng.random((4, 3)), np.zeros((4, 3))
    moving = start(pairs, integrator, around, positions, velocities)
    moving, _ = simulate(pairs, integrator, around, moving, 100)
    np.testing.assert_array_equal(moving.positions[1], positions[1])
    assert np.abs(moving.positions - positions)[[0, 2, 3]].min() > 1e-3


def test_friction_must_not_be_negative():
    with pytest.raises(ValueError, match="friction_per_ps of Langevin must be positive"):
        Langevin(friction_per_ps=-1.0)
