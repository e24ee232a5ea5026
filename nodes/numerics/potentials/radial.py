"""Radial functions of an edge.

A basis is evaluated as a fixed set of elementary functions, of which its members are fixed
linear combinations. A model that combines basis functions with learned coefficients combines
these two maps first, so that nothing is done twice per edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["Bessel", "Gaussian", "RadialBasis", "cosine_cutoff"]


def cosine_cutoff(r: jax.Array, cutoff: float) -> jax.Array:
    """(1 + cos(pi r / cutoff)) / 2 below the cutoff, zero beyond."""
    inside = r < cutoff
    # Beyond the cutoff a constant is inserted, so that the derivative is exactly zero too.
    return jnp.where(inside, 0.5 * (1.0 + jnp.cos(jnp.pi / cutoff * jnp.where(inside, r, 0))), 0)


class RadialBasis(Protocol):
    """A frozen dataclass that says and does how a distance is expanded."""

    name: ClassVar[str]

    @property
    def n_basis(self) -> int:
        """Number of functions."""
        ...

    def elementary(self, r: jax.Array, cutoff: float) -> jax.Array:
        """Elementary functions times the cosine cutoff: distances (n, k) to (n, c, k)."""
        ...

    def combination(self, cutoff: float) -> np.ndarray:
        """Basis functions from elementary ones, shape (n_basis, c)."""
        ...

    def expand(
        self, coefficients: jax.Array, r: jax.Array, cutoff: float
    ) -> tuple[jax.Array, jax.Array]:
        """Radial functions and their slopes.

        Parameters
        ----------
        coefficients : (n, m, n_basis)
            Of the basis functions, for each row of distances.
        r : (n, k), Angstrom

        Returns
        -------
        (n, m, k) and (n, m, k)
            The combinations times the cosine cutoff, and their derivatives by r.
        """
        ...


@dataclass(frozen=True)
class Bessel:
    """Smooth Bessel basis: sums of two neighbouring spherical Bessel functions of order 0.

    Kocer, Mason & Erturk, J. Chem. Phys. 150, 154102 (2019): with x = pi r / cutoff,

        B_n = (-1)^n sqrt(2) pi cutoff^(-3/2) [sin((n+1) x) / ((n+1) x) + (the same of n+2)].

    Times the cutoff function they vanish like (cutoff - r)^4, so energies are thrice
    differentiable there.

    Parameters
    ----------
    n_basis : int
        Number of functions.
    """

    name: ClassVar[str] = "bessel"
    n_basis: int = 16

    def __post_init__(self) -> None:
        if self.n_basis < 1:
            raise ValueError(f"n_basis must be at least 1, received {self.n_basis}")

    def elementary(self, r: jax.Array, cutoff: float) -> jax.Array:
        """Return sin(m x) / x times the cosine cutoff for m = 1 ... n_basis + 1."""
        h, _, c, _ = _envelope(cutoff, r)
        return h[:, None] * _ladder(self.n_basis + 1, c)

    def combination(self, cutoff: float) -> np.ndarray:
        """Basis functions from the sines, shape (n_basis, n_basis + 1)."""
        weights = np.zeros((self.n_basis, self.n_basis + 1))
        for n in range(self.n_basis):
            sign = (-1) ** n * math.sqrt(2.0) * math.pi * cutoff**-1.5
            weights[n, n], weights[n, n + 1] = sign / (n + 1), sign / (n + 2)
        return weights

    def expand(
        self, coefficients: jax.Array, r: jax.Array, cutoff: float
    ) -> tuple[jax.Array, jax.Array]:
        """Radial functions and their slopes (see `RadialBasis`).

        With h and c as in `_envelope`, R = h p(c) and R' = h' p + h p'(c) c'. The slope of a
        polynomial is one of the same kind, so both come from one product with the coefficients.
        """
        dtype = coefficients.dtype
        combination = self.combination(cutoff)
        both = np.concatenate([combination, combination @ _slopes(combination.shape[1])], axis=1)
        combined = coefficients @ jnp.asarray(both, dtype)
        width = combination.shape[1]
        combined = jnp.concatenate([combined[..., :width], combined[..., width:]], axis=1)
        h, dh, c, dc = _envelope(cutoff, r)
        polynomials = jnp.einsum("nfc,nck->nfk", combined, _ladder(width, c))
        p, dp = jnp.split(polynomials, 2, axis=1)
        h, dh, dc = h[:, None], dh[:, None], dc[:, None]
        return h * p, dh * p + (h * dc) * dp


@dataclass(frozen=True)
class Gaussian:
    """Gaussians of the distance, or of exp(-distance).

    'linear': (2 beta / pi)^(1/4) exp(-beta (c_n - r)^2) with centres
    c_n = r_min + n (cutoff - r_min) / n_basis and beta = (n_basis / cutoff)^2. 'exponential':
    centres equally spaced in exp(-r) and beta = [2 (exp(-r_min) - exp(-cutoff)) / n_basis]^-2,
    as in Unke & Meuwly, J. Chem. Theory Comput. 15, 3678 (2019).

    Parameters
    ----------
    n_basis : int
    r_min_angstrom : float
        Shortest distance that is resolved.
    spacing : {'linear', 'exponential'}
    """

    name: ClassVar[str] = "gaussian"
    n_basis: int = 7
    r_min_angstrom: float = 0.5
    spacing: Literal["linear", "exponential"] = "linear"

    def __post_init__(self) -> None:
        if self.n_basis < 1:
            raise ValueError(f"n_basis must be at least 1, received {self.n_basis}")
        if self.r_min_angstrom < 0.0:
            raise ValueError(f"r_min_angstrom must not be negative, received {self.r_min_angstrom}")
        if self.spacing not in ("linear", "exponential"):
            raise ValueError(
                f"spacing must be 'linear' or 'exponential', received {self.spacing!r}"
            )

    def elementary(self, r: jax.Array, cutoff: float) -> jax.Array:
        """Return the basis itself times the cosine cutoff, shape (n, n_basis, k)."""
        low, count = self.r_min_angstrom, self.n_basis
        if self.spacing == "linear":
            centers = low + (cutoff - low) / count * np.arange(count)
            beta = (count / cutoff) ** 2
            norm, argument = (2.0 * beta / math.pi) ** 0.25, r
        else:
            centers = np.linspace(math.exp(-cutoff), math.exp(-low), count)
            beta = ((2.0 / count) * (math.exp(-low) - math.exp(-cutoff))) ** -2
            norm, argument = 1.0, jnp.exp(-r)
        distance = jnp.asarray(centers, r.dtype)[:, None] - argument[:, None]
        return norm * jnp.exp(-beta * distance**2) * cosine_cutoff(r, cutoff)[:, None]

    def combination(self, cutoff: float) -> np.ndarray:
        """Return the identity (n_basis, n_basis)."""
        return np.eye(self.n_basis)

    def expand(
        self, coefficients: jax.Array, r: jax.Array, cutoff: float
    ) -> tuple[jax.Array, jax.Array]:
        """Radial functions and their slopes (see `RadialBasis`)."""
        values, slopes = jax.jvp(lambda r: self.elementary(r, cutoff), (r,), (jnp.ones_like(r),))
        return (
            jnp.einsum("nfc,nck->nfk", coefficients, values),
            jnp.einsum("nfc,nck->nfk", coefficients, slopes),
        )


def _envelope(cutoff: float, r: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """h(r) = sin(x) / x times the cosine cutoff, c = cos x with x = pi r / cutoff; h, h', c, c'.

    a = cos(x / 2) and b = sin(x / 2) / (x / 2) are taken from their power series in r^2: below
    the cutoff a few terms reach the last digit, and unlike library functions they vectorize.
    """
    y = jnp.minimum((r / cutoff) ** 2, 1.0)
    terms = 8 if r.dtype == jnp.float32 else 14
    powers = [(-((math.pi / 2) ** 2)) ** m for m in range(terms)]
    a = _series([p / math.factorial(2 * m) for m, p in enumerate(powers)], y)
    b = _series([p / math.factorial(2 * m + 1) for m, p in enumerate(powers)], y)
    k, inside = math.pi / cutoff, r < cutoff
    slope_a, slope_b = -0.25 * k**2 * r * b, (a - b) / r
    h = jnp.where(inside, a**3 * b, 0)
    dh = jnp.where(inside, a**2 * (3.0 * slope_a * b + a * slope_b), 0)
    return h, dh, 2.0 * a**2 - 1.0, 4.0 * a * slope_a


def _ladder(count: int, c: jax.Array) -> jax.Array:
    """Chebyshev polynomials of the second kind U_0 ... U_(count - 1), shape (n, count, k)."""
    rows = [jnp.ones_like(c), 2.0 * c]
    for _ in range(count - 2):
        rows.append(2.0 * c * rows[-1] - rows[-2])
    return jnp.stack(rows[:count], axis=1)


def _slopes(count: int) -> np.ndarray:
    """Derivatives of U_n in terms of U_m: 2 (m + 1) for all m < n with n - m odd."""
    n, m = np.indices((count, count))
    return np.where((m < n) & ((n - m) % 2 == 1), 2.0 * (m + 1), 0.0)


def _series(coefficients: list[float], y: jax.Array) -> jax.Array:
    result = jnp.full_like(y, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        result = result * y + coefficient
    return result
