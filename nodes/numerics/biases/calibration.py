"""Factors on the uncertainty of an ensemble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from nodes.numerics.biases.records import BiasedSystem

__all__ = ["Calibration"]


@dataclass(frozen=True)
class Calibration:
    """Multiply the deviations of members from their mean; mean energy and forces stay.

    Biases that stand after it see the calibrated energies.

    Parameters
    ----------
    energy_factor, forces_factor : float
        On standard deviations of energies and forces.

    Raises
    ------
    ValueError
        If a factor is not positive.
    """

    name: ClassVar[str] = "calibration"
    needs_members: ClassVar[bool] = False
    needs_positions: ClassVar[bool] = False
    energy_factor: float
    forces_factor: float

    def __post_init__(self) -> None:
        for name in ("energy_factor", "forces_factor"):
            value = float(getattr(self, name))
            object.__setattr__(self, name, value)
            if not value > 0.0:
                raise ValueError(f"{name} must be positive, received {value}")

    @property
    def spread(self) -> tuple[Any, Any]:
        """Both factors."""
        return self.energy_factor, self.forces_factor

    def energy(self, energies: jax.Array, system: BiasedSystem) -> jax.Array:
        """Nothing is added."""
        del system
        return jnp.zeros_like(energies[:, 0])
