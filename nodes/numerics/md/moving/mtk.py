"""Constant pressure and temperature without noise, after Martyna, Tobias and Klein."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from nodes.numerics.md.moving.nose_hoover import couple, energy_of_chain, new_chain, require_chain
from nodes.numerics.md.moving.records import (
    Conditions,
    Moving,
    kinetic_energy,
    require_positive,
)
from nodes.numerics.md.moving.strain import (
    as_tensor,
    center_of_mass,
    inverse,
    pressure_tensor,
    times,
    trace,
    volume_of,
)
from nodes.numerics.units import FS

__all__ = ["MtkNPT"]


@dataclass(frozen=True)
class MtkNPT:
    """Constant pressure and temperature: a cell with inertia, and chains on atoms and cell.

    G. Martyna, D. Tobias, M. Klein, J. Chem. Phys. 101, 4177 (1994); G. Martyna et al., Mol.
    Phys. 87, 1117 (1996). The rate of strain is symmetric, so the cell is not rotated. Drifts
    and kicks are implicit midpoints, which are reversible and need no matrix exponentials.

    Parameters
    ----------
    tau_fs : float
        Time scale of the thermostat of the atoms.
    tau_pressure_fs : float
        Time scale of cell and thermostat of the cell.
    mode : {'isotropic', 'full'}
        What may change: the volume, or all of the cell.
    chain_length, chain_steps, sy_steps : int
        Of both chains, see `NoseHooverChain`.
    """

    tau_fs: float = 50.0
    tau_pressure_fs: float = 500.0
    mode: Literal["isotropic", "full"] = "isotropic"
    chain_length: int = 3
    chain_steps: int = 2
    sy_steps: int = 3

    name: ClassVar[str] = "mtk_npt"
    changes_cell: ClassVar[bool] = True
    conserves_momentum: ClassVar[bool] = True
    needs_warmth: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_chain(self.chain_length, self.chain_steps, self.sy_steps)
        require_positive(self, "tau_fs", "tau_pressure_fs")
        if self.mode not in ("isotropic", "full"):
            raise ValueError(f"mode must be 'isotropic' or 'full', received {self.mode!r}")

    def init(self, moving: Moving, conditions: Conditions) -> Any:
        dtype = moving.positions.dtype
        return {
            "rate": jnp.zeros((3, 3), dtype),
            "chains": new_chain(self.chain_length, dtype, (2,)),
        }

    def before(self, moving: Moving, conditions: Conditions) -> Moving:
        moving = self._push_cell(self._couple(moving, conditions), conditions)
        return self._drift(self._kick(moving, conditions), conditions)

    def after(self, moving: Moving, conditions: Conditions) -> Moving:
        moving = self._push_cell(self._kick(moving, conditions), conditions)
        return self._couple(moving, conditions)

    def conserved(
        self, moving: Moving, potential_energy: jax.Array, conditions: Conditions
    ) -> jax.Array:
        """Enthalpy with all that moves cell and thermostats; the mean of a pressure tensor."""
        dof, taus = self._baths(conditions)
        work = trace(as_tensor(conditions.pressure)) / 3.0 * volume_of(moving.cell)
        cell = 0.5 * self._twice_cell_energy(moving, conditions)
        links = energy_of_chain(moving.extra["chains"], dof, conditions.thermal_energy, taus)
        kinetic = kinetic_energy(moving.velocities, conditions.masses)
        return potential_energy + kinetic + work + cell + links

    def _inertia(self, conditions: Conditions) -> jax.Array:
        """Mass of the rate of strain; (dof + 3) k T tau^2 for a change of all three lengths."""
        tau = self.tau_pressure_fs * FS
        return (conditions.dof + 3.0) / 3.0 * conditions.thermal_energy * tau**2

    def _baths(self, conditions: Conditions) -> tuple[jax.Array, jax.Array]:
        """Degrees of freedom and time scales (2,) of what the chains of atoms and cell act on."""
        dof = jnp.asarray(conditions.dof, conditions.timestep.dtype)
        cell_dof = jnp.full_like(dof, 1.0 if self.mode == "isotropic" else 6.0)
        taus = jnp.stack([jnp.asarray(tau) for tau in (self.tau_fs, self.tau_pressure_fs)]) * FS
        return jnp.stack([dof, cell_dof]), taus.astype(dof.dtype)

    def _twice_cell_energy(self, moving: Moving, conditions: Conditions) -> jax.Array:
        return self._inertia(conditions) * jnp.sum(moving.extra["rate"] ** 2)

    def _couple(self, moving: Moving, conditions: Conditions) -> Moving:
        """Let both chains act for half a step; they do not know of each other."""
        extra = moving.extra
        dof, taus = self._baths(conditions)
        twice_kinetic = 2.0 * kinetic_energy(moving.velocities, conditions.masses)
        factors, chains = couple(
            extra["chains"],
            jnp.stack([twice_kinetic, self._twice_cell_energy(moving, conditions)]),
            dof,
            conditions.thermal_energy,
            taus,
            0.5 * conditions.timestep,
            chain_steps=self.chain_steps,
            sy_steps=self.sy_steps,
        )
        return moving._replace(
            velocities=factors[0] * moving.velocities,
            extra={"rate": factors[1] * extra["rate"], "chains": chains},
        )

    def _push_cell(self, moving: Moving, conditions: Conditions) -> Moving:
        """Change the rate of strain for half a step."""
        one = jnp.eye(3, dtype=moving.cell.dtype)
        target = volume_of(moving.cell) * as_tensor(conditions.pressure)
        force = pressure_tensor(moving, conditions) - target
        twice_kinetic = 2.0 * kinetic_energy(moving.velocities, conditions.masses)
        force = force + twice_kinetic / conditions.dof * one
        if self.mode == "isotropic":
            force = trace(force) / 3.0 * one
        change = 0.5 * conditions.timestep / self._inertia(conditions) * force
        return moving._replace(extra={**moving.extra, "rate": moving.extra["rate"] + change})

    def _kick(self, moving: Moving, conditions: Conditions) -> Moving:
        """Change velocities for half a step, under forces and the drag of the moving cell."""
        half, rate = 0.5 * conditions.timestep, moving.extra["rate"]
        one = jnp.eye(3, dtype=rate.dtype)
        drag = 0.5 * half * (rate + trace(rate) / conditions.dof * one)
        push = half * conditions.mobile * moving.forces / conditions.masses
        velocities = times(moving.velocities, one - drag) + push
        return moving._replace(velocities=times(velocities, inverse(one + drag)))

    def _drift(self, moving: Moving, conditions: Conditions) -> Moving:
        """Move atoms and cell for a whole step."""
        time = conditions.timestep
        one = jnp.eye(3, dtype=moving.cell.dtype)
        strain = 0.5 * time * moving.extra["rate"]
        forth, back = one + strain, inverse(one - strain)
        center = center_of_mass(moving, conditions)
        relative = times(moving.positions - center, forth) + time * moving.velocities
        return moving._replace(
            positions=center + times(relative, back),
            cell=times(times(moving.cell, forth), back),
        )
