"""Stochastic velocity rescaling against the exact law of the kinetic energy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nodes.numerics.md.moving import VelocityRescaling

from .reference_systems import (
    KT,
    conditions,
    free,
    pairs,
    simulate,
    simulate_many,
    start,
    start_many,
    thermal_velocities,
)

pytestmark = pytest.mark.slow

CELLS = np.broadcast_to(10.0 * np.eye(3), (3000, 3, 3))


def free_replicas(n_atoms, dof, tau_fs, kt_start, *, n_steps, timestep_fs=10.0, seed=0):
    masses = np.linspace(1.0, 30.0, n_atoms)
    around = conditions(masses, dof=dof, timestep_fs=timestep_fs, seed=seed)
    rng = np.random.default_rng(seed)
    velocities = thermal_velocities(rng, masses, 3000, kt_start, momentum=dof == 3 * n_atoms)
    integrator = VelocityRescaling(tau_fs=tau_fs)
    positions = np.zeros_like(velocities)
    moving = start_many(free, integrator, around, positions, velocities, CELLS)
    return simulate_many(free, integrator, around, moving, n_steps, n_steps)[1]["kinetic"]


@pytest.mark.slow
@pytest.mark.parametrize(("n_atoms", "dof"), [(2, 3), (1, 3), (5, 12)])
def test_kinetic_energy_has_the_canonical_distribution(n_atoms, dof):
    energies = free_replicas(n_atoms, dof, 20.0, 3 * KT, n_steps=60)[:, -1]
    # 3000 independent values after thirty time constants; chance of failure 1e-3.
    twice = 2 * np.asarray(energies) / KT
    assert stats.kstest(twice, stats.chi2(dof).cdf).pvalue > 1e-3
    # With one degree of freedom less, the test would notice.
    assert stats.kstest(twice, stats.chi2(dof - 1).cdf).pvalue < 1e-6


@pytest.mark.parametrize("tau_fs", [30.0, 120.0])
def test_kinetic_energy_relaxes_with_tau(tau_fs):
    # A step of a third of tau: the solution is exact for any.
    energies = np.asarray(free_replicas(5, 12, tau_fs, 4 * KT, n_steps=60, timestep_fs=tau_fs / 3))
    mean = 12 * KT / 2
    expected = mean + 3 * mean * np.exp(-np.arange(1, 61) / 3)
    error = 4 * np.std(energies, axis=0) / np.sqrt(3000)
    assert np.all(np.abs(np.mean(energies, axis=0) - expected) < error)


def test_autocorrelation_decays_with_tau():
    energies = np.asarray(free_replicas(5, 12, 50.0, KT, n_steps=60, timestep_fs=5.0, seed=3))
    late = energies[:, 20:] - 12 * KT / 2
    correlation = np.mean(late * late[:, :1], axis=0) / np.mean(late[:, 0] ** 2)
    expected = np.exp(-np.arange(40) * 5.0 / 50.0)
    # Four standard errors of 3000 products.
    np.testing.assert_allclose(correlation, expected, atol=4 * 1.5 / np.sqrt(3000))


def test_energy_less_heat_is_conserved():
    masses = np.array([4.0, 12.0, 12.0, 40.0])
    rng = np.random.default_rng(1)
    positions, velocities = 6 * rng.random((4, 3)), thermal_velocities(rng, masses)
    integrator = VelocityRescaling(tau_fs=50.0)
    spread = []
    for timestep_fs, n_steps in ((1.0, 4000), (0.5, 8000)):
        around = conditions(masses, dof=9, timestep_fs=timestep_fs)
        moving = start(pairs, integrator, around, positions, velocities)
        moving, seen = simulate(pairs, integrator, around, moving, n_steps)
        spread.append(np.std(seen["conserved"]))
        assert abs(float(moving.extra["heat"])) > 0.02
        # Total momentum stays zero.
        assert np.abs(jnp.sum(around.masses * moving.velocities, axis=0)).max() < 1e-12
    assert spread[0] < 1e-3
    assert spread[1] < 0.6 * spread[0]


def test_velocities_of_zero_stay_zero():
    around = conditions([1.0, 2.0], dof=3)
    integrator = VelocityRescaling()
    moving = start(free, integrator, around, np.zeros((2, 3)), np.zeros((2, 3)))
    moving, _ = simulate(free, integrator, around, moving, 100)
    np.testing.assert_array_equal(moving.velocities, 0.0)
    assert float(moving.extra["heat"]) == 0.0


def test_cooling_to_zero_is_exponential():
    around = conditions([1.0, 2.0], dof=3, kt=0.0)
    integrator = VelocityRescaling(tau_fs=20.0)
    moving = start(free, integrator, around, np.zeros((2, 3)), np.ones((2, 3)))
    cold, _ = simulate(free, integrator, around, moving, 100)
    np.testing.assert_allclose(cold.velocities, np.exp(-0.5 * 100 / 20.0), rtol=1e-10)


def test_tau_must_be_positive():
    with pytest.raises(ValueError, match="tau_fs of VelocityRescaling must be positive"):
        VelocityRescaling(tau_fs=0.0)
