"""Stochastic velocity rescaling."""

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
from nodes.numerics.units import FS

__all__ = ["VelocityRescaling", "rescale_velocities"]


def rescale_velocities(moving: Moving, conditions: Conditions, tau_fs: float) -> Moving:
    """Scale all velocities by one random factor, and count the heat in ``extra['heat']``.

    Kinetic energy relaxes to its canonical distribution at the rate 1 / tau, for any time step:
    equations A7 and A8 of Bussi et al. The sum of squares of ``dof - 1`` normal numbers is drawn
    as such: a fixed amount of work, where rejection would need a loop.
    """
    dof, old = conditions.dof, moving.velocities
    dtype = old.dtype
    key = jax.random.fold_in(conditions.key, conditions.step)
    normal = jax.random.normal(key, (old.size,), dtype)
    # The first number is the one along the momentum, dof - 1 others are across.
    along = normal[0]
    count = jnp.arange(old.size)
    across = jnp.sum(jnp.where((count > 0) & (count < dof), normal**2, 0.0))
    kinetic = kinetic_energy(old, conditions.masses)
    tiny = jnp.finfo(dtype).tiny
    kept = jnp.exp(-conditions.timestep / (tau_fs * FS))
    share = -jnp.expm1(-conditions.timestep / (tau_fs * FS))
    ratio = 0.5 * conditions.thermal_energy * share / jnp.maximum(kinetic, tiny)
    # The factor is the length of a random vector over the length of the momentum.
    parallel = jnp.sqrt(kept) + along * jnp.sqrt(ratio)
    factor = jnp.sqrt(parallel**2 + ratio * across)
    factor = jnp.where(parallel < 0.0, -factor, factor)
    factor = jnp.where(kinetic > tiny, factor, 1.0)
    heat = moving.extra["heat"] + kinetic * (factor**2 - 1.0)
    return moving._replace(velocities=factor * old, extra={**moving.extra, "heat": heat})


@dataclass(frozen=True)
class VelocityRescaling:
    """Stochastic velocity rescaling: canonical, with hardly any effect on how atoms move.

    G. Bussi, D. Donadio, M. Parrinello, J. Chem. Phys. 126, 014101 (2007). Velocities must not
    all be zero at the start.

    Parameters
    ----------
    tau_fs : float
        Time in which deviations of the kinetic energy decay to 1/e.
    """

    tau_fs: float = 100.0

    name: ClassVar[str] = "velocity_rescaling"
    changes_cell: ClassVar[bool] = False
    conserves_momentum: ClassVar[bool] = True
    needs_warmth: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_positive(self, "tau_fs")

    def init(self, moving: Moving, conditions: Conditions) -> Any:
        return {"heat": jnp.zeros((), moving.positions.dtype)}

    def before(self, moving: Moving, conditions: Conditions) -> Moving:
        moving = rescale_velocities(moving, conditions, self.tau_fs)
        return drift(kick(moving, conditions), conditions.timestep)

    def after(self, moving: Moving, conditions: Conditions) -> Moving:
        return kick(moving, conditions)

    def conserved(
        self, moving: Moving, potential_energy: jax.Array, conditions: Conditions
    ) -> jax.Array:
        """Energy less the heat that the thermostat has given."""
        kinetic = kinetic_energy(moving.velocities, conditions.masses)
        return potential_energy + kinetic - moving.extra["heat"]
