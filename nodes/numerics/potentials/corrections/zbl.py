"""Repulsion of screened nuclei."""

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
from nodes.numerics.units import COULOMB

__all__ = ["Zbl", "zbl_pair_energy"]

_COEFFICIENTS = (0.18175, 0.50986, 0.28022, 0.02817)
_EXPONENTS = (3.19980, 0.94229, 0.40290, 0.20162)
_SCREENING_LENGTH = 0.46850
_SHORTEST = 0.02


@dataclass(frozen=True)
class Zbl:
    """Screened nuclear repulsion, half of every pair's energy to each of its atoms.

    Without ``r_max_angstrom`` it is switched off by the square of a cosine cutoff at the sum of
    the two covalent radii, so bonds at their usual length are not touched. With it, by a cosine
    cutoff at this distance, and distances below 0.02 Angstrom count as 0.02.

    Parameters
    ----------
    r_max_angstrom : float, optional
        Where it ends, for all pairs of elements.
    trainable : bool, optional
        Learn ``prefactor``, a multiple of Coulomb's, and the four ``coefficients`` of the
        screening; their absolute values count. By default only with ``r_max_angstrom``.

    Raises
    ------
    ValueError
        If ``r_max_angstrom`` is not positive.
    """

    name: ClassVar[str] = "zbl"
    r_max_angstrom: float | None = None
    trainable: bool | None = None

    def __post_init__(self) -> None:
        if self.r_max_angstrom is not None:
            check_positive("r_max_angstrom", self.r_max_angstrom)
        if self.trainable is None:
            object.__setattr__(self, "trainable", self.r_max_angstrom is not None)

    def init(self, elements: tuple[int, ...], dtype: Any) -> Weights:
        """Prefactor () and coefficients (4,) of the universal potential, {} if not trainable."""
        if not self.trainable:
            return {}
        return {"prefactor": jnp.ones((), dtype), "coefficients": jnp.asarray(_COEFFICIENTS, dtype)}

    def energies(self, weights: Weights, edges: Edges, elements: tuple[int, ...]) -> jax.Array:
        """Share of each atom in eV, shape (N,)."""
        dtype, receiver = edges.vectors.dtype, edges.receiver[:, None]
        r_max = self.r_max_angstrom
        reach = _covalent_reach(edges, elements) if r_max is None else r_max
        r, active = near_pairs(edges, reach)
        r = r if r_max is None else jnp.maximum(r, _SHORTEST)
        switch = cosine_cutoff(r / reach, 1.0)
        switch = switch**2 if r_max is None else switch
        charges = jnp.asarray((*elements, 1.0), dtype)
        coefficients = prefactor = None
        if self.trainable:
            coefficients = jnp.abs(weights["coefficients"]).astype(dtype)
            prefactor = jnp.abs(weights["prefactor"]).astype(dtype)
        energy = zbl_pair_energy(r, charges[receiver], charges[edges.sender], coefficients)
        shares = 0.5 * jnp.sum(jnp.where(active, energy * switch, 0), axis=-1)
        return shares if prefactor is None else prefactor * shares


def zbl_pair_energy(
    r: jax.Array, charge_i: jax.Array, charge_j: jax.Array, coefficients: Any = None
) -> jax.Array:
    """Universal repulsion in eV of two nuclei at distance r in Angstrom.

    Ziegler, Biersack & Littmark, The Stopping and Range of Ions in Solids (1985). Other
    ``coefficients`` (4,) of the screening function may be given.
    """
    x = r * (charge_i**0.23 + charge_j**0.23) / _SCREENING_LENGTH
    values = _COEFFICIENTS if coefficients is None else coefficients
    screening = jnp.zeros_like(x)
    for index, exponent in enumerate(_EXPONENTS):
        screening += values[index] * jnp.exp(-exponent * x)
    return COULOMB * charge_i * charge_j / r * screening


def _covalent_reach(edges: Edges, elements: tuple[int, ...]) -> jax.Array:
    """Sum of the covalent radii of each pair in Angstrom, shape (N, k)."""
    radii = (*covalent_radii_angstrom(np.array(elements)), 1.0)
    radii = jnp.asarray(radii, edges.vectors.dtype)
    return radii[edges.receiver[:, None]] + radii[edges.sender]
