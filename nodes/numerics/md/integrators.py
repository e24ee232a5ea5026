"""One step of dynamics, split around the evaluation of forces.

A step is ``first_half``, new forces, then ``kick``. The latter is the same for all integrators.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from nodes.numerics.md.settings import Ensemble, MDSettings
from nodes.numerics.units import FS, KB, PS

__all__ = ["Motion", "first_half", "kick", "motion_of"]


class Motion(NamedTuple):
    """Numbers of the equations of motion, in eV, Angstrom, u and the unit of time that follows."""

    timestep: jax.Array
    thermal_energy: jax.Array
    friction: jax.Array
    masses: jax.Array
    key: jax.Array


def motion_of(settings: MDSettings, masses_amu: jax.Array) -> Motion:
    """Convert settings; masses have shape (n, 1)."""
    return Motion(
        jnp.asarray(settings.timestep_fs * FS),
        jnp.asarray(KB * settings.temperature_k),
        jnp.asarray(settings.friction_per_ps / PS),
        masses_amu,
        jax.random.key(settings.seed),
    )


def kick(motion: Motion, velocities: jax.Array, forces: jax.Array) -> jax.Array:
    """Velocities after half a step under constant forces."""
    return velocities + 0.5 * motion.timestep * forces / motion.masses


def first_half(
    ensemble: Ensemble,
    motion: Motion,
    step: jax.Array,
    positions: jax.Array,
    velocities: jax.Array,
    forces: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Positions after the step, and velocities before the second kick.

    'nve' is velocity Verlet. 'nvt' is Langevin dynamics in the splitting BAOAB (Leimkuhler &
    Matthews, Appl. Math. Res. Express 2013, 34), whose configurations are accurate to second
    order. Its noise depends on seed and step alone, so a repeated step is the same step.
    """
    velocities = kick(motion, velocities, forces)
    if ensemble == "nve":
        return positions + motion.timestep * velocities, velocities
    positions = positions + 0.5 * motion.timestep * velocities
    damping = jnp.exp(-motion.friction * motion.timestep)
    spread = jnp.sqrt((1.0 - damping**2) * motion.thermal_energy / motion.masses)
    noise = jax.random.normal(
        jax.random.fold_in(motion.key, step), positions.shape, positions.dtype
    )
    velocities = damping * velocities + spread * noise
    return positions + 0.5 * motion.timestep * velocities, velocities
