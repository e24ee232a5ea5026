"""Steps against exact solutions."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.md.integrators import first_half, kick, motion_of
from nodes.numerics.md.settings import MDSettings
from nodes.numerics.units import FS, KB, PS


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def oscillate(settings, positions, velocities, n_steps, constant):
    """Independent harmonic oscillators of mass 1."""
    motion = motion_of(settings, jnp.ones((1, 1)))

    def step(state, k):
        x, v = state
        x, v = first_half(settings.ensemble, motion, k, x, v, -constant * x)
        state = x, kick(motion, v, -constant * x)
        return state, state

    return jax.lax.scan(step, (positions, velocities), jnp.arange(n_steps))[1]


def test_velocity_verlet_follows_the_oscillator():
    settings = MDSettings(ensemble="nve", timestep_fs=0.01)
    constant = 1.0
    x, v = oscillate(settings, jnp.ones((1, 3)), jnp.zeros((1, 3)), 2000, constant)
    time = 2000 * 0.01 * FS
    np.testing.assert_allclose(x[-1], np.cos(time), atol=1e-6)
    np.testing.assert_allclose(v[-1], -np.sin(time), atol=1e-6)


def test_langevin_samples_the_canonical_distribution_of_positions():
    settings = MDSettings(
        timestep_fs=2.0, temperature_k=300.0, friction_per_ps=100.0, n_steps=0, seed=3
    )
    start = jnp.zeros((1000, 3))
    x, v = oscillate(settings, start, start, 600, 0.5)
    # 3000 oscillators at a late time; four standard errors of a variance.
    error = 4 * np.sqrt(2 / 3000)
    assert np.mean(x[-1] ** 2) == pytest.approx(KB * 300.0 / 0.5, rel=error)
    assert np.mean(v[-1] ** 2) == pytest.approx(KB * 300.0, rel=error + 0.01)


def test_friction_acts_at_its_rate():
    settings = MDSettings(timestep_fs=1.0, temperature_k=0.0, friction_per_ps=5.0)
    _, v = oscillate(settings, jnp.zeros((1, 3)), jnp.ones((1, 3)), 100, 0.0)
    np.testing.assert_allclose(v[-1], np.exp(-5.0 / PS * 100 * FS), rtol=1e-10)


def test_noise_depends_on_seed_and_step_alone():
    settings = MDSettings(seed=4)
    zeros = jnp.zeros((2, 3))

    def noise(settings, step):
        motion = motion_of(settings, jnp.ones((2, 1)))
        return np.asarray(first_half("nvt", motion, jnp.asarray(step), zeros, zeros, zeros)[1])

    np.testing.assert_array_equal(noise(settings, 7), noise(settings, 7))
    assert not np.array_equal(noise(settings, 7), noise(settings, 8))
    assert not np.array_equal(noise(settings, 7), noise(dataclasses.replace(settings, seed=5), 7))
