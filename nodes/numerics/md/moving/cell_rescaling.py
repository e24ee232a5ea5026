"""Stochastic cell rescaling: constant pressure by noise on the cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from nodes.numerics.md.moving.records import (
    Conditions,
    Moving,
    kinetic_energy,
    require_positive,
)
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
from nodes.numerics.md.moving.velocity_rescaling import rescale_velocities
from nodes.numerics.md.moving.verlet import drift, kick
from nodes.numerics.units import FS, GPA

__all__ = ["CellRescaling"]

_LARGEST_STRAIN = 0.05
"""That pressure may cause in one step, so that a cell far from equilibrium is not torn apart."""

_CELL_NOISE = 1
"""Keeps the noise of the cell apart from that of the thermostat."""


@dataclass(frozen=True)
class CellRescaling:
    """Constant pressure and temperature: stochastic rescaling of cell and velocities.

    The cell follows a first-order equation, without oscillations, and samples the right
    distribution. The logarithmic strain X of a step, applied half-way through it to cell,
    positions and (inversely) momenta, is ::

        X = compressibility / (3 tau_pressure) (P_int - P) dt
            + sqrt(2 k T compressibility dt / (3 V tau_pressure)) * noise

    which in these variables needs no further terms, its trace being taken as a step of the root
    of the volume, whose noise is always the same. It leaves ``exp(-(E + P V) / k T) dV`` as it
    is for each shape, and with 'full' all shapes are equally probable beforehand. Strains are
    symmetric, so the cell is not rotated. M. Bernetti, G. Bussi, J. Chem. Phys. 153, 114107
    (2020); V. Del Tatto et al., Appl. Sci. 12, 1139 (2022); the thermostat is
    `VelocityRescaling`.

    Parameters
    ----------
    tau_fs : float
        Time constant of the thermostat.
    tau_pressure_fs : float
        Time in which deviations of the volume decay to 1/e, if the compressibility is right.
    compressibility_per_gpa : float
        A guess; it changes how fast the pressure is reached, but not the distribution.
    mode : {'isotropic', 'anisotropic', 'full'}
        What may change: the volume; the length of each lattice vector; all of the cell.
    axes : tuple of 3 bool
        Which lattice vectors 'anisotropic' may change.
    """

    tau_fs: float = 100.0
    tau_pressure_fs: float = 1000.0
    compressibility_per_gpa: float = 0.02
    mode: Literal["isotropic", "anisotropic", "full"] = "isotropic"
    axes: tuple[bool, bool, bool] = (True, True, True)

    name: ClassVar[str] = "cell_rescaling"
    changes_cell: ClassVar[bool] = True
    conserves_momentum: ClassVar[bool] = True
    needs_warmth: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_positive(self, "tau_fs", "tau_pressure_fs", "compressibility_per_gpa")
        if self.mode not in ("isotropic", "anisotropic", "full"):
            raise ValueError(
                f"mode must be 'isotropic', 'anisotropic' or 'full', received {self.mode!r}"
            )
        axes = tuple(bool(axis) for axis in self.axes)
        if len(axes) != 3 or not any(axes):
            raise ValueError(f"axes must be three flags, one of them true, received {self.axes}")
        if not all(axes) and self.mode != "anisotropic":
            raise ValueError(f"axes must all be true with mode={self.mode!r}, received {self.axes}")
        object.__setattr__(self, "axes", axes)

    def init(self, moving: Moving, conditions: Conditions) -> Any:
        dtype = moving.positions.dtype
        return {"heat": jnp.zeros((), dtype), "strain": jnp.zeros((3, 3), dtype)}

    def before(self, moving: Moving, conditions: Conditions) -> Moving:
        moving = kick(rescale_velocities(moving, conditions, self.tau_fs), conditions)
        strain = self._strain(moving, conditions)
        change = deformation(strain)
        moving = drift(moving, 0.5 * conditions.timestep)
        center = center_of_mass(moving, conditions)
        old = moving.velocities
        new = times(old, inverse(change).T)
        work = kinetic_energy(new, conditions.masses) - kinetic_energy(old, conditions.masses)
        work = work + 0.5 * jnp.sum(moving.virial * strain)
        moving = moving._replace(
            positions=center + times(moving.positions - center, change),
            velocities=new,
            cell=times(moving.cell, change),
            extra={"heat": moving.extra["heat"] + work, "strain": strain},
        )
        return drift(moving, 0.5 * conditions.timestep)

    def after(self, moving: Moving, conditions: Conditions) -> Moving:
        # The other half of the work against the virial, which changed during the step.
        work = 0.5 * jnp.sum(moving.virial * moving.extra["strain"])
        extra = {**moving.extra, "heat": moving.extra["heat"] + work}
        return kick(moving._replace(extra=extra), conditions)

    def conserved(
        self, moving: Moving, potential_energy: jax.Array, conditions: Conditions
    ) -> jax.Array:
        """Energy less what thermostat and barostat have given, as heat or as work."""
        kinetic = kinetic_energy(moving.velocities, conditions.masses)
        return potential_energy + kinetic - moving.extra["heat"]

    def _strain(self, moving: Moving, conditions: Conditions) -> jax.Array:
        """Strain (3, 3) of this step; the pressure is that of momenta half-way."""
        dtype = moving.cell.dtype
        one = jnp.eye(3, dtype=dtype)
        volume = volume_of(moving.cell)
        rate = self.compressibility_per_gpa / (3.0 * GPA * self.tau_pressure_fs * FS)
        rate = rate * conditions.timestep
        excess = pressure_tensor(moving, conditions) / volume - as_tensor(conditions.pressure)
        spread = jnp.sqrt(2.0 * conditions.thermal_energy * rate / volume)
        key = jax.random.fold_in(conditions.key, conditions.step)
        noise = jax.random.normal(jax.random.fold_in(key, _CELL_NOISE), (3, 3), dtype)
        active, back = one, inverse(moving.cell)
        if self.mode == "anisotropic":
            # Lengths of lattice vectors: the strain is diagonal in their own frame.
            excess = times(times(moving.cell, excess), back)
            active = jnp.diag(jnp.asarray(self.axes, dtype))
            excess, noise = active * excess, active * noise
        elif self.mode == "isotropic":
            excess, noise = trace(excess) / 3.0 * one, trace(noise) / 3.0 * one
        drive = jnp.clip(rate * excess, -_LARGEST_STRAIN, _LARGEST_STRAIN)
        strain = drive + spread * noise
        # The root of the volume makes the same step with noise that does not depend on it.
        growth, n_active = trace(strain), trace(active)
        root = 1.0 + 0.5 * growth + 0.125 * n_active * spread**2
        strain = strain + (2.0 * jnp.log(jnp.abs(root)) - growth) / n_active * active
        if self.mode == "anisotropic":
            return times(times(back, strain), moving.cell)
        return 0.5 * (strain + strain.T)
