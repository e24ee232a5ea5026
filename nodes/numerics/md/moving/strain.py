"""Deformation of a system together with its cell, and the pressure that drives it.

Rows are vectors: a deformation D takes positions r to r @ D and the cell h to h @ D. Momenta go
the other way, p to p @ inv(D).T, which keeps the volume of phase space. Products of small
matrices are written out: they fuse with what stands around them, and no accelerator lowers
their precision.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nodes.numerics.md.moving.records import Conditions, Moving

__all__ = [
    "as_tensor", "center_of_mass", "deformation", "inverse", "pressure_tensor", "times", "trace",
    "volume_of",
]  # fmt: skip


def times(rows: jax.Array, matrix: jax.Array) -> jax.Array:
    """Product of rows (m, 3) and a matrix (3, 3), as ``rows @ matrix``."""
    return sum((rows[:, k : k + 1] * matrix[k : k + 1] for k in (1, 2)), rows[:, :1] * matrix[:1])


def trace(matrix: jax.Array) -> jax.Array:
    """Trace of a matrix (3, 3)."""
    return matrix[0, 0] + matrix[1, 1] + matrix[2, 2]


def volume_of(cell: jax.Array) -> jax.Array:
    """Volume in Angstrom^3, positive for cells of either hand."""
    return jnp.abs(jnp.sum(cell[0] * jnp.cross(cell[1], cell[2])))


def inverse(matrix: jax.Array) -> jax.Array:
    """Inverse of a matrix (3, 3) by cross products of its rows."""
    a, b, c = matrix
    columns = jnp.stack([jnp.cross(b, c), jnp.cross(c, a), jnp.cross(a, b)], axis=1)
    return columns / jnp.sum(a * columns[:, 0])


def deformation(strain: jax.Array) -> jax.Array:
    """Deformation (1 + X/2) / (1 - X/2) of a logarithmic strain X (3, 3).

    It agrees with exp(X) to second order, and that of -X is exactly its inverse.
    """
    one = jnp.eye(3, dtype=strain.dtype)
    return times(one + 0.5 * strain, inverse(one - 0.5 * strain))


def center_of_mass(moving: Moving, conditions: Conditions) -> jax.Array:
    """Centre (3,) of the mass that is mobile: what a deformation leaves in place."""
    weights = conditions.masses * conditions.mobile
    return jnp.sum(weights * moving.positions, axis=0) / jnp.sum(weights, axis=0)


def pressure_tensor(moving: Moving, conditions: Conditions) -> jax.Array:
    """Volume times internal pressure (3, 3), eV: kinetic part less virial."""
    weighted = conditions.masses * moving.velocities
    kinetic = jnp.sum(weighted[:, :, None] * moving.velocities[:, None, :], axis=0)
    return kinetic - 0.5 * (moving.virial + moving.virial.T)


def as_tensor(pressure: jax.Array) -> jax.Array:
    """A pressure as a matrix (3, 3); a scalar is one on the diagonal."""
    return pressure * jnp.eye(3, dtype=pressure.dtype) if pressure.ndim == 0 else pressure
