"""Gaussian accelerated molecular dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from nodes.numerics.biases.records import BiasedSystem

__all__ = ["GaussianAcceleration"]


@dataclass(frozen=True)
class GaussianAcceleration:
    """Lift what lies below an energy, so that a simulation leaves deep minima sooner.

    The energy ``k (E - target)^2 / 2`` is added while E < target. Miao, Feher & McCammon, J.
    Chem. Theory Comput. 11, 3584 (2015). With k < 1 / (target - E) the order of energies stays.

    Parameters
    ----------
    energy_target_ev : float
        Of the whole structure, reference energies included. In float32 it acts as if rounded by a
        ten-millionth of the total energy; forces are those of that target.
    spring_constant_per_ev : float

    Raises
    ------
    ValueError
        If ``spring_constant_per_ev`` is not positive.
    """

    name: ClassVar[str] = "acceleration"
    needs_members: ClassVar[bool] = False
    needs_positions: ClassVar[bool] = False
    spread: ClassVar[None] = None
    energy_target_ev: float
    spring_constant_per_ev: float

    def __post_init__(self) -> None:
        for name in ("energy_target_ev", "spring_constant_per_ev"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if not self.spring_constant_per_ev > 0.0:
            raise ValueError(
                f"spring_constant_per_ev must be positive, received {self.spring_constant_per_ev}"
            )

    def energy(self, energies: jax.Array, system: BiasedSystem) -> jax.Array:
        """Energy that is added, (b,) in eV."""
        below = jnp.mean(energies, axis=-1) + (system.reference - self.energy_target_ev)
        return 0.5 * self.spring_constant_per_ev * jnp.minimum(below, 0.0) ** 2
