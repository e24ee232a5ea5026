"""A wall around atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from nodes.numerics.biases.records import BiasedSystem

__all__ = ["SphericalWall"]


@dataclass(frozen=True)
class SphericalWall:
    """Pull atoms back that leave a sphere.

    Each atom outside gets ``k (r - radius)^2 / 2`` with its distance r from the centre. Positions
    count as they are, without periodic images; the wall adds nothing to the virial.

    Parameters
    ----------
    radius_angstrom : float
    spring_constant_ev_per_square_angstrom : float
    center_angstrom : tuple of 3 float

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    name: ClassVar[str] = "spherical-wall"
    needs_members: ClassVar[bool] = False
    needs_positions: ClassVar[bool] = True
    spread: ClassVar[None] = None
    radius_angstrom: float
    spring_constant_ev_per_square_angstrom: float
    center_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        for name in ("radius_angstrom", "spring_constant_ev_per_square_angstrom"):
            value = float(getattr(self, name))
            object.__setattr__(self, name, value)
            if not value > 0.0:
                raise ValueError(f"{name} must be positive, received {value}")
        center = tuple(float(x) for x in self.center_angstrom)
        object.__setattr__(self, "center_angstrom", center)
        if len(center) != 3:
            raise ValueError(f"center_angstrom must have 3 components, received {center}")

    def energy(self, energies: jax.Array, system: BiasedSystem) -> jax.Array:
        """Energy that is added, (b,) in eV."""
        del energies
        assert system.positions is not None
        place = system.positions - jnp.stack([jnp.asarray(x) for x in self.center_angstrom])
        squared = jnp.sum(place**2, axis=-1)
        outside = system.present & (squared > self.radius_angstrom**2)
        # Inside, a constant keeps the derivative of the root finite.
        r = jnp.sqrt(jnp.where(outside, squared, 1.0))
        beyond = jnp.where(outside, r - self.radius_angstrom, 0.0)
        return 0.5 * self.spring_constant_ev_per_square_angstrom * jnp.sum(beyond**2, axis=-1)
