"""Velocity Verlet against what is known of it: order, reversal, energy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.md.moving import VelocityVerlet
from nodes.numerics.units import FS

from .reference_systems import (
    conditions,
    pairs,
    simulate,
    springs,
    start,
    thermal_velocities,
)

VERLET = VelocityVerlet()
SPRING = partial(springs, 1.0)
MASSES = np.array([1.0, 4.0, 12.0, 12.0, 40.0, 40.0])


def gas(timestep_fs):
    """Six atoms that collide."""
    rng = np.random.default_rng(0)
    around = conditions(MASSES, timestep_fs=timestep_fs)
    velocities = thermal_velocities(rng, MASSES, kt=0.1)
    return around, start(pairs, VERLET, around, 5.0 * rng.random((6, 3)), velocities)


def test_it_follows_the_oscillator():
    around = conditions([1.0], timestep_fs=0.01)
    moving = start(SPRING, VERLET, around, np.ones((1, 3)), np.zeros((1, 3)))
    moving, _ = simulate(SPRING, VERLET, around, moving, 2000)
    time = 2000 * 0.01 * FS
    np.testing.assert_allclose(moving.positions, np.cos(time), atol=1e-6)
    np.testing.assert_allclose(moving.velocities, -np.sin(time), atol=1e-6)


def test_energy_errs_by_the_square_of_the_time_step():
    spread = []
    for timestep_fs, n_steps in ((1.0, 2000), (0.5, 4000)):
        around, moving = gas(timestep_fs)
        _, seen = simulate(pairs, VERLET, around, moving, n_steps)
        spread.append(np.std(seen["conserved"]))
    assert spread[0] / spread[1] == pytest.approx(4.0, rel=0.1)


def test_energy_does_not_drift():
    around, moving = gas(0.5)
    _, seen = simulate(pairs, VERLET, around, moving, 40_000)
    first, last = np.mean(seen["conserved"][:20]), np.mean(seen["conserved"][-20:])
    # 20 ps: less than three standard errors, and than 1e-6 eV per atom that has 0.15 eV.
    error = np.std(seen["conserved"]) / np.sqrt(20) * np.sqrt(2)
    assert abs(last - first) < max(3 * error, 1e-12)
    assert abs(last - first) / 6 < 1e-6


def test_it_can_be_reversed():
    around, moving = gas(1.0)
    there, _ = simulate(pairs, VERLET, around, moving, 1000)
    assert np.abs(there.positions - moving.positions).max() > 1.0
    back = there._replace(velocities=-there.velocities)
    back, _ = simulate(pairs, VERLET, around, back, 1000)
    np.testing.assert_allclose(back.positions, moving.positions, atol=1e-8)
    np.testing.assert_allclose(back.velocities, -moving.velocities, atol=1e-8)


def test_single_precision_stays_single_precision():
    around, moving = gas(1.0)
    around, moving = jax.tree.map(
        lambda leaf: leaf.astype(jnp.float32) if leaf.dtype == jnp.float64 else leaf,
        (around, moving),
    )
    moving = VERLET.after(VERLET.before(moving, around), around)
    assert {leaf.dtype for leaf in jax.tree.leaves(moving)} == {jnp.dtype(np.float32)}
