"""Real spherical harmonics of directions, and the Cartesian tensors that they stand for.

Racah's normalisation: the components of one degree have unit norm, sum_m Y_lm(u)^2 = 1. Orders
run from m = -l to l, without the Condon-Shortley phase, so that degree 1 is (y, z, x).
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["MAX_DEGREE", "matrices_of", "spherical_harmonics", "vectors_of"]

MAX_DEGREE = 3
"""Highest degree that is implemented."""


def spherical_harmonics(unit: list[jax.Array], max_degree: int) -> list[jax.Array]:
    """Harmonics of unit vectors for the degrees 0 to ``max_degree``.

    Parameters
    ----------
    unit : three arrays (n, k)
        Components of the vectors.
    max_degree : int
        At most 3.

    Returns
    -------
    list of arrays (n, 2 l + 1, k), one per degree l
    """
    x, y, z = unit
    root3, root15 = math.sqrt(3.0), math.sqrt(15.0)
    a, b = math.sqrt(3.0 / 8.0), math.sqrt(5.0 / 8.0)
    xy, xx_yy, zz = x * y, x * x - y * y, z * z
    degrees = [[jnp.ones_like(x)], [y, z, x]]
    degrees.append([root3 * xy, root3 * y * z, 1.5 * zz - 0.5, root3 * x * z, 0.5 * root3 * xx_yy])
    degrees.append(
        [
            b * y * (3.0 * x * x - y * y),
            root15 * xy * z,
            a * y * (5.0 * zz - 1.0),
            0.5 * z * (5.0 * zz - 3.0),
            a * x * (5.0 * zz - 1.0),
            0.5 * root15 * z * xx_yy,
            b * x * (x * x - 3.0 * y * y),
        ]
    )
    return [jnp.stack(components, axis=1) for components in degrees[: max_degree + 1]]


def vectors_of(degree1: jax.Array) -> jax.Array:
    """Cartesian vectors (n, c, 3) from components of degree 1, (n, 3, c)."""
    return jnp.swapaxes(degree1[:, jnp.array([2, 0, 1])], 1, 2)


def matrices_of(degree2: jax.Array) -> jax.Array:
    """Symmetric traceless matrices (n, c, 3, 3) from components of degree 2, (n, 5, c).

    The harmonics of a unit vector u give (3 u u - 1) / 2.
    """
    return jnp.einsum("nmc,mij->ncij", degree2, jnp.asarray(_quadratic_forms(), degree2.dtype))


def _quadratic_forms() -> np.ndarray:
    """Matrices B_m with Y_2m(u) = u B_m u, shape (5, 3, 3)."""
    forms = np.zeros((5, 3, 3))
    half = 0.5 * math.sqrt(3.0)
    forms[0, 0, 1] = forms[0, 1, 0] = forms[1, 1, 2] = forms[1, 2, 1] = half
    forms[2] = np.diag([-0.5, -0.5, 1.0])
    forms[3, 0, 2] = forms[3, 2, 0] = half
    forms[4] = np.diag([half, -half, 0.0])
    return forms
