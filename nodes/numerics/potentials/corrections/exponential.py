"""Exponential repulsion with numbers of each element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.elements import covalent_radii_angstrom
from nodes.numerics.potentials.corrections.pairs import check_positive, near_pairs
from nodes.numerics.potentials.radial import cosine_cutoff
from nodes.numerics.potentials.representation import Edges, Weights

__all__ = ["ExponentialRepulsion"]

_SHORTEST = 0.02


@dataclass(frozen=True)
class ExponentialRepulsion:
    """Repulsion that decays exponentially, with two trained numbers of each element.

    Every atom gets, from each neighbour, ``a_i a_j exp(-r (1 / l_i + 1 / l_j)) / r^2`` times a
    cosine cutoff at ``r_max_angstrom``; a pair thus counts twice. Distances below 0.02 Angstrom
    count as 0.02.

    Parameters
    ----------
    r_max_angstrom : float
        Where it ends.

    Raises
    ------
    ValueError
        If ``r_max_angstrom`` is not positive.
    """

    name: ClassVar[str] = "exponential"
    r_max_angstrom: float = 1.5

    def __post_init__(self) -> None:
        check_positive("r_max_angstrom", self.r_max_angstrom)

    def init(self, elements: tuple[int, ...], dtype: Any) -> Weights:
        """Strength a (e,) in eV^(1/2) Angstrom and length l (e,) in Angstrom; abs() counts."""
        radii = covalent_radii_angstrom(np.array(elements))
        return {
            "strength": jnp.full(len(elements), 100.0, dtype),
            "length": jnp.asarray(0.8 * radii, dtype),
        }

    def energies(self, weights: Weights, edges: Edges, elements: tuple[int, ...]) -> jax.Array:
        """Share of each atom in eV, shape (N,)."""
        del elements
        r, active = near_pairs(edges, self.r_max_angstrom)
        r = jnp.maximum(r, _SHORTEST)
        switch = cosine_cutoff(r, self.r_max_angstrom)
        strength, decay = (
            jnp.abs(weights[name]).astype(r.dtype) for name in ("strength", "length")
        )
        decay = 1.0 / decay
        i, j = edges.receiver[:, None], edges.sender
        energy = strength[i] * strength[j] * jnp.exp(-r * (decay[i] + decay[j])) / r**2
        return jnp.sum(jnp.where(active, energy * switch, 0), axis=-1)
