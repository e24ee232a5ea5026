"""Cells as logarithmic strains: the coordinates in which a cell is relaxed.

A symmetric strain X takes the cell h of the start to h @ exp(X), and every atom along. Energies
are then smooth functions of X without bounds, volumes change by exp(trace X), and at a constant
volume X is traceless: freedoms of a cell are linear subspaces. With the virial V = dE/d(strain) at
the present cell, dE = tr(V dF inv(F)) for F = exp(X), and its gradient by X follows from the
derivative of the exponential.

Sources: E. B. Tadmor et al., Phys. Rev. B 59, 235 (1999) for the unit cell as coordinates;
A. H. Al-Mohy and N. J. Higham, SIAM J. Matrix Anal. Appl. 30, 1639 (2009) for the derivative.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["CELL_MODES", "MAX_STRAIN", "Freedom", "free_part", "strain_force", "stretch"]

CELL_MODES = {
    "none": (0.0, 0.0),
    "full": (1.0, 0.0),
    "isotropic": (0.0, 1.0),
    "fixed_volume": (1.0, -1.0),
}
"""Weights of a strain, and of its mean over the axes, in the part of it that is free."""

MAX_STRAIN = 1.0
"""Cells that are strained farther are on their way to nowhere."""

_ORDER = 9
_DOUBLINGS = 3


def stretch(strain: jax.Array) -> jax.Array:
    """exp(X) - 1 of symmetric strains (..., 3, 3), precise also where it is small.

    Taylor's series of X / 8, then exp(2Y) - 1 = 2 (exp(Y) - 1) + (exp(Y) - 1)^2: exact to
    rounding up to `MAX_STRAIN`.
    """
    part = strain / 2**_DOUBLINGS
    power, total = part, part
    for k in range(2, _ORDER + 1):
        power = _times(power, part)
        total = total + power / math.factorial(k)
    for _ in range(_DOUBLINGS):
        total = 2.0 * total + _times(total, total)
    return total


def strain_force(strain: jax.Array, virial: jax.Array) -> jax.Array:
    """Minus the gradient by X (..., 3, 3) of an energy whose virial at exp(X) is given, eV."""
    shrink = stretch(-strain)
    gradient = virial + _times(virial, shrink)
    (pulled,) = jax.vjp(stretch, strain)[1](gradient)
    return -0.5 * (pulled + jnp.swapaxes(pulled, -1, -2))


class Freedom(NamedTuple):
    """Which strains are free.

    Attributes
    ----------
    mask : (3, 3)
        1 where a component is free, symmetric.
    whole, mean : ()
        See `CELL_MODES`.
    """

    mask: jax.Array
    whole: jax.Array
    mean: jax.Array


def free_part(freedom: Freedom, matrix: jax.Array) -> jax.Array:
    """Projection of symmetric matrices (..., 3, 3) onto the strains that are free."""
    axes = freedom.mask * jnp.eye(3, dtype=matrix.dtype)
    mean = jnp.sum(matrix * axes, axis=(-1, -2), keepdims=True) / jnp.maximum(jnp.sum(axes), 1.0)
    return freedom.whole * matrix * freedom.mask + freedom.mean * mean * axes


def _times(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.matmul(a, b, precision="highest")
