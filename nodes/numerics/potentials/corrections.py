"""Physical terms that are added to the learned energy.

A correction is a function of the edges of each atom that returns the atom's share of an energy
in eV, shape (n,). `corrections_of` lists those that a config asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.elements import covalent_radii_angstrom
from nodes.numerics.potentials.config import ModelConfig
from nodes.numerics.potentials.descriptor import cosine_cutoff
from nodes.numerics.units import COULOMB

__all__ = ["Correction", "corrections_of", "zbl_pair_energy", "zbl_repulsion"]

Correction = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
"""(vectors (n, k, 3), receiver one-hot (n, e), sender one-hot (n, k, e)) -> energies (n,)."""

_SCREENING = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))
_SCREENING_LENGTH = 0.46850


def corrections_of(config: ModelConfig) -> tuple[Correction, ...]:
    """The corrections that ``config`` asks for."""
    return (partial(zbl_repulsion, elements=config.elements),) if config.zbl else ()


def zbl_repulsion(
    vectors: jax.Array, receiver: jax.Array, sender: jax.Array, *, elements: tuple[int, ...]
) -> jax.Array:
    """Screened nuclear repulsion, half of every pair's energy to each of its atoms.

    It is switched off by the square of a cosine cutoff at the sum of the two covalent radii, so
    bonds at their usual length are not touched.
    """
    dtype = vectors.dtype
    charges = jnp.asarray(elements, dtype)
    radii = jnp.asarray(covalent_radii_angstrom(np.array(elements)), dtype)
    r = jnp.sqrt(jnp.sum(vectors**2, axis=-1))
    reach = (receiver @ radii)[:, None] + sender @ radii
    occupied = jnp.sum(sender, axis=-1) > 0
    # A constant distance in idle slots keeps values and derivatives finite there.
    active = occupied & (r < reach)
    scaled = jnp.where(active, r / reach, 1.0)
    energy = zbl_pair_energy(
        jnp.where(active, r, 1.0),
        jnp.where(active, (receiver @ charges)[:, None], 1.0),
        jnp.where(active, sender @ charges, 1.0),
    )
    return 0.5 * jnp.sum(jnp.where(active, energy * cosine_cutoff(scaled, 1.0) ** 2, 0), axis=-1)


def zbl_pair_energy(r: jax.Array, charge_i: jax.Array, charge_j: jax.Array) -> jax.Array:
    """Universal repulsion in eV of two nuclei at distance r in Angstrom.

    Ziegler, Biersack & Littmark, The Stopping and Range of Ions in Solids (1985).
    """
    x = r * (charge_i**0.23 + charge_j**0.23) / _SCREENING_LENGTH
    screening = sum((c * jnp.exp(-a * x) for c, a in _SCREENING), start=jnp.zeros_like(x))
    return COULOMB * charge_i * charge_j / r * screening
