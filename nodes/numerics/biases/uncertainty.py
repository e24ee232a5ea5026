"""Uncertainty-driven dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from nodes.numerics.biases.records import BiasedSystem

__all__ = ["UncertaintyBias"]


@dataclass(frozen=True)
class UncertaintyBias:
    """Drive a simulation to structures on which the members of an ensemble disagree.

    The energy ``height (exp(-s^2 / (K N width^2)) - 1)`` is added, with the standard deviation s
    of the energy over K members (K - 1 in its denominator) and N atoms: zero where members agree,
    ``-height`` where they do not at all. Kulichenko et al., Nat. Comput. Sci. 3, 230 (2023); there
    s^2 is (K - 1) / 2 times this variance.

    Parameters
    ----------
    height_ev : float
        Depth of the bias.
    width_ev : float
        How much members may disagree before the bias is felt.

    Raises
    ------
    ValueError
        If a number is not positive.
    """

    name: ClassVar[str] = "uncertainty"
    needs_members: ClassVar[bool] = True
    needs_positions: ClassVar[bool] = False
    spread: ClassVar[None] = None
    height_ev: float
    width_ev: float

    def __post_init__(self) -> None:
        for name in ("height_ev", "width_ev"):
            value = float(getattr(self, name))
            object.__setattr__(self, name, value)
            if not value > 0.0:
                raise ValueError(f"{name} must be positive, received {value}")

    def energy(self, energies: jax.Array, system: BiasedSystem) -> jax.Array:
        """Energy that is added, (b,) in eV."""
        variance = jnp.var(energies, axis=-1, ddof=1)
        # A structure of padding alone divides by one.
        n_atoms = jnp.maximum(jnp.sum(system.present, axis=-1), 1)
        share = variance / (n_atoms * energies.shape[-1] * self.width_ev**2)
        return self.height_ev * jnp.expm1(-share)
