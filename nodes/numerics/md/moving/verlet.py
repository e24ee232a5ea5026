"""Velocity Verlet, and the pieces of a step that other integrators share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax

from nodes.numerics.md.moving.records import Conditions, Moving, kinetic_energy

__all__ = ["VelocityVerlet", "drift", "kick"]


def kick(moving: Moving, conditions: Conditions) -> Moving:
    """Velocities after half a step under constant forces."""
    push = 0.5 * conditions.timestep * conditions.mobile / conditions.masses
    return moving._replace(velocities=moving.velocities + push * moving.forces)


def drift(moving: Moving, time: jax.Array) -> Moving:
    """Positions after some time at constant velocities."""
    return moving._replace(positions=moving.positions + time * moving.velocities)


@dataclass(frozen=True)
class VelocityVerlet:
    """Constant energy. W. Swope et al., J. Chem. Phys. 76, 637 (1982)."""

    name: ClassVar[str] = "velocity_verlet"
    changes_cell: ClassVar[bool] = False
    conserves_momentum: ClassVar[bool] = True
    needs_warmth: ClassVar[bool] = False

    def init(self, moving: Moving, conditions: Conditions) -> Any:
        return ()

    def before(self, moving: Moving, conditions: Conditions) -> Moving:
        return drift(kick(moving, conditions), conditions.timestep)

    def after(self, moving: Moving, conditions: Conditions) -> Moving:
        return kick(moving, conditions)

    def conserved(
        self, moving: Moving, potential_energy: jax.Array, conditions: Conditions
    ) -> jax.Array:
        """Total energy."""
        return potential_energy + kinetic_energy(moving.velocities, conditions.masses)
