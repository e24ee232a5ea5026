"""Langevin dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from nodes.numerics.md.moving.records import (
    Conditions,
    Moving,
    kinetic_energy,
    require_positive,
)
from nodes.numerics.md.moving.verlet import drift, kick
from nodes.numerics.units import PS

__all__ = ["Langevin"]


@dataclass(frozen=True)
class Langevin:
    """Langevin dynamics in the splitting BAOAB, exact for positions of harmonic oscillators.

    B. Leimkuhler, C. Matthews, Appl. Math. Res. Express 2013, 34.

    Parameters
    ----------
    friction_per_ps : float
        Rate at which velocities are forgotten.
    """

    friction_per_ps: float = 10.0

    name: ClassVar[str] = "langevin"
    changes_cell: ClassVar[bool] = False
    conserves_momentum: ClassVar[bool] = False
    needs_warmth: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.friction_per_ps != 0.0:
            require_positive(self, "friction_per_ps")

    def init(self, moving: Moving, conditions: Conditions) -> Any:
        return {"heat": jnp.zeros((), moving.positions.dtype)}

    def before(self, moving: Moving, conditions: Conditions) -> Moving:
        half = 0.5 * conditions.timestep
        masses = conditions.masses
        moving = drift(kick(moving, conditions), half)
        loss = self.friction_per_ps / PS * conditions.timestep
        spread = jnp.sqrt(-jnp.expm1(-2.0 * loss) * conditions.thermal_energy / masses)
        key = jax.random.fold_in(conditions.key, conditions.step)
        old = moving.velocities
        noise = jax.random.normal(key, old.shape, old.dtype)
        new = jnp.exp(-loss) * old + conditions.mobile * spread * noise
        given = kinetic_energy(new, masses) - kinetic_energy(old, masses)
        heat = {"heat": moving.extra["heat"] + given}
        return drift(moving._replace(velocities=new, extra=heat), half)

    def after(self, moving: Moving, conditions: Conditions) -> Moving:
        return kick(moving, conditions)

    def conserved(
        self, moving: Moving, potential_energy: jax.Array, conditions: Conditions
    ) -> jax.Array:
        """Energy less the heat that friction and noise have given."""
        kinetic = kinetic_energy(moving.velocities, conditions.masses)
        return potential_energy + kinetic - moving.extra["heat"]
