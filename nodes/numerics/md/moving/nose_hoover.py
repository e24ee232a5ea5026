"""Nose-Hoover chains: the thermostat, and dynamics with it."""

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

__all__ = ["Chain", "NoseHooverChain", "couple", "energy_of_chain", "new_chain", "require_chain"]

_YOSHIDA_6 = (0.784513610477560, 0.235573213359357, -1.17767998417887)


def _palindrome(*weights: float) -> tuple[float, ...]:
    """Weights, what is missing to 1, and the weights again."""
    return (*weights, 1.0 - 2.0 * sum(weights), *reversed(weights))


WEIGHTS = {
    1: (1.0,),
    3: _palindrome(1.0 / (2.0 - 2.0 ** (1.0 / 3.0))),
    5: _palindrome(*[1.0 / (4.0 - 4.0 ** (1.0 / 3.0))] * 2),
    7: _palindrome(*_YOSHIDA_6),
}
"""Shares of a step: of second order; fourth, fourth (M. Suzuki); sixth (H. Yoshida, solution A)."""

Chain = dict[str, jax.Array]
"""``velocities`` (length,) of the links, and ``heat``, the energy (eV) that the bath holds.

Several chains of one length, side by side, have further axes.
"""


def new_chain(length: int, dtype: Any, shape: tuple[int, ...] = ()) -> Chain:
    """A chain at rest, or several."""
    return {"velocities": jnp.zeros((length, *shape), dtype), "heat": jnp.zeros(shape, dtype)}


def _masses(
    length: int, dof: jax.Array | float, thermal: jax.Array, tau: jax.Array | float
) -> list[jax.Array]:
    unit = thermal * tau**2
    return [dof * unit, *[unit] * (length - 1)]


def energy_of_chain(
    chain: Chain, dof: jax.Array | float, thermal: jax.Array, tau: jax.Array | float
) -> jax.Array:
    """What links and baths of all chains contribute to the conserved energy, eV."""
    velocities = chain["velocities"]
    masses = jnp.stack(_masses(len(velocities), dof, thermal, tau))
    return 0.5 * jnp.sum(masses * velocities**2) + jnp.sum(chain["heat"])


def couple(
    chain: Chain,
    twice_kinetic: jax.Array,
    dof: jax.Array | float,
    thermal: jax.Array,
    tau: jax.Array | float,
    time: jax.Array,
    *,
    chain_steps: int,
    sy_steps: int,
) -> tuple[jax.Array, Chain]:
    """Let a chain act on momenta for some time.

    Parameters
    ----------
    chain : Chain
    twice_kinetic : (), eV
        Of the momenta, and of how many: ``dof``.
    thermal : (), eV
        Boltzmann constant times temperature.
    tau, time : ()
    chain_steps, sy_steps : int
        The time is cut into ``chain_steps``, each of these into ``sy_steps`` by `WEIGHTS`.

    Returns
    -------
    factor : ()
        By which the momenta are scaled.
    chain : Chain
    """
    v, heat = list(chain["velocities"]), chain["heat"]
    last = len(v) - 1
    masses = _masses(len(v), dof, thermal, tau)
    factor = jnp.ones_like(heat)

    def push(link: int, part: jax.Array) -> None:
        if link == 0:
            force = twice_kinetic * factor**2 - dof * thermal
        else:
            force = masses[link - 1] * v[link - 1] ** 2 - thermal
        damping = jnp.exp(-0.25 * part * v[link + 1]) if link < last else 1.0
        v[link] = damping * (damping * v[link] + 0.5 * part * force / masses[link])

    for weight in WEIGHTS[sy_steps] * chain_steps:
        part = weight / chain_steps * time
        for link in range(last, -1, -1):
            push(link, part)
        factor = factor * jnp.exp(-part * v[0])
        heat = heat + part * thermal * sum(v[1:], dof * v[0])
        for link in range(last + 1):
            push(link, part)
    return factor, {"velocities": jnp.stack(v), "heat": heat}


def require_chain(chain_length: int, chain_steps: int, sy_steps: int) -> None:
    """Raise ValueError unless these describe a chain."""
    for name, value in (("chain_length", chain_length), ("chain_steps", chain_steps)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number from 1 on, received {value}")
    if sy_steps not in WEIGHTS:
        raise ValueError(f"sy_steps must be 1, 3, 5 or 7, received {sy_steps}")


@dataclass(frozen=True)
class NoseHooverChain:
    """Canonical dynamics without noise, by a chain of thermostats.

    G. Martyna, M. Klein, M. Tuckerman, J. Chem. Phys. 97, 2635 (1992); integrated as in
    G. Martyna et al., Mol. Phys. 87, 1117 (1996).

    Parameters
    ----------
    chain_length : int
        Thermostats in the chain.
    chain_steps, sy_steps : int
        The chain moves in ``chain_steps`` times ``sy_steps`` (1, 3, 5 or 7) parts of half a step.
    tau_fs : float
        Time scale: the mass of the first thermostat is ``dof k T tau^2``, with which the kinetic
        energy of free particles swings with a period of ``sqrt(2) pi tau``.
    """

    chain_length: int = 3
    chain_steps: int = 2
    sy_steps: int = 3
    tau_fs: float = 50.0

    name: ClassVar[str] = "nose_hoover_chain"
    changes_cell: ClassVar[bool] = False
    conserves_momentum: ClassVar[bool] = True
    needs_warmth: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_chain(self.chain_length, self.chain_steps, self.sy_steps)
        require_positive(self, "tau_fs")

    def init(self, moving: Moving, conditions: Conditions) -> Any:
        return new_chain(self.chain_length, moving.positions.dtype)

    def before(self, moving: Moving, conditions: Conditions) -> Moving:
        return drift(kick(self._couple(moving, conditions), conditions), conditions.timestep)

    def after(self, moving: Moving, conditions: Conditions) -> Moving:
        return self._couple(kick(moving, conditions), conditions)

    def _couple(self, moving: Moving, conditions: Conditions) -> Moving:
        factor, chain = couple(
            moving.extra,
            2.0 * kinetic_energy(moving.velocities, conditions.masses),
            conditions.dof,
            conditions.thermal_energy,
            self.tau_fs * FS,
            0.5 * conditions.timestep,
            chain_steps=self.chain_steps,
            sy_steps=self.sy_steps,
        )
        return moving._replace(velocities=factor * moving.velocities, extra=chain)

    def conserved(
        self, moving: Moving, potential_energy: jax.Array, conditions: Conditions
    ) -> jax.Array:
        """Energy of system, thermostats and bath."""
        bath = energy_of_chain(
            moving.extra, conditions.dof, conditions.thermal_energy, self.tau_fs * FS
        )
        return potential_energy + kinetic_energy(moving.velocities, conditions.masses) + bath
