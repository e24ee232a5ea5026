"""Distances of pairs for corrections, and their switch."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from nodes.numerics.potentials.representation import Edges

__all__ = ["check_positive", "near_pairs"]


def near_pairs(edges: Edges, reach: jax.Array | float) -> tuple[jax.Array, jax.Array]:
    """Distances in Angstrom, shape (N, k), and which pairs are closer than ``reach``.

    Wherever there is no such pair, also in empty slots, the distance is ``reach`` and its
    derivative zero.
    """
    r = jnp.sqrt(jnp.sum(edges.vectors**2, axis=-1))
    active = (edges.sender >= 0) & (edges.receiver[:, None] >= 0) & (r < reach)
    return jnp.where(active, r, jnp.asarray(reach, r.dtype)), active


def check_positive(name: str, value: float) -> None:
    """Raise ValueError unless the value is a positive number."""
    if not 0.0 < value < math.inf:
        raise ValueError(f"{name} must be positive, received {value}")
