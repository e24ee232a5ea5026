"""Gaussian moments: rotation-invariant features of an atom's neighbourhood.

Zaverkin & Kästner, J. Chem. Theory Comput. 16, 5410 (2020). Per atom and learned radial
function s, the moments of rank 0 to 3 over its neighbours j are

    M_s = sum_j R_s(r_j) * (1, u, u u, u u u),    u = edge vector / r,

of which only the 20 distinct products of components are summed. The features are eight
families of full contractions of one, two or three moments.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["N_MONOMIALS", "bessel_basis", "cosine_cutoff", "gaussian_moments", "invariants"]

N_MONOMIALS = 20
"""Distinct products of up to three components of a unit vector."""


def cosine_cutoff(r: jax.Array, cutoff: float) -> jax.Array:
    """(1 + cos(pi r / cutoff)) / 2 below the cutoff, zero beyond."""
    inside = r < cutoff
    # Beyond the cutoff a constant is inserted, so that the derivative is exactly zero too.
    return jnp.where(inside, 0.5 * (1.0 + jnp.cos(jnp.pi / cutoff * jnp.where(inside, r, 0))), 0)


def bessel_basis(r: jax.Array, n_basis: int, cutoff: float) -> jax.Array:
    """Smooth radial basis times the cosine cutoff.

    Kocer, Mason & Erturk, J. Chem. Phys. 150, 154102 (2019): with x = pi r / cutoff,

        B_n = (-1)^n sqrt(2) pi cutoff^(-3/2) [sin((n+1) x) / ((n+1) x) + (the same of n+2)].

    The functions vanish like (cutoff - r)^4, so energies are thrice differentiable there.

    Parameters
    ----------
    r : (n, k), Angstrom

    Returns
    -------
    (n, n_basis, k)
    """
    return jnp.einsum("bc,nck->nbk", _sine_weights(n_basis, cutoff), _sines(r, n_basis + 1, cutoff))


def _sine_weights(n_basis: int, cutoff: float) -> jax.Array:
    """Basis functions from the sines of `_sines`, shape (n_basis, n_basis + 1)."""
    weights = np.zeros((n_basis, n_basis + 1))
    for n in range(n_basis):
        sign = (-1) ** n * math.sqrt(2.0) * math.pi * cutoff**-1.5
        weights[n, n], weights[n, n + 1] = sign / (n + 1), sign / (n + 2)
    return jnp.asarray(weights)


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _sines(r: jax.Array, count: int, cutoff: float) -> jax.Array:
    """sin(m x) cutoff_function(r) / x for m = 1 ... count, shape (n, count, k)."""
    return _sines_and_slopes(r, count, cutoff)[0]


@_sines.defjvp
def _sines_jvp(
    count: int, cutoff: float, primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    # Values and slopes come from the same angles. Left to itself, automatic differentiation
    # would walk the ladder of angles back, twice when forces are trained.
    values, slopes = _sines_and_slopes(*primals, count, cutoff)
    return values, slopes * tangents[0][:, None]


def _sines_and_slopes(r: jax.Array, count: int, cutoff: float) -> tuple[jax.Array, jax.Array]:
    """The functions of `_sines` and their derivatives by r.

    Sines of fine angles x, 2x, 3x, 4x and of coarse ones 0, 4x, 8x, ... are combined by the
    addition theorem in one outer product, so that a distance costs two transcendental functions.
    """
    inside, k = r < cutoff, math.pi / cutoff
    x = k * r
    sin, cos = jnp.sin(x), jnp.cos(x)
    fine_sin, fine_cos = _multiples(sin, cos, 4)
    coarse_sin, coarse_cos = _multiples(fine_sin[-1], fine_cos[-1], (count - 1) // 4)
    a_sin, a_cos = jnp.stack(fine_sin, -2)[:, None], jnp.stack(fine_cos, -2)[:, None]
    b_sin = jnp.stack([jnp.zeros_like(sin), *coarse_sin], -2)[:, :, None]
    b_cos = jnp.stack([jnp.ones_like(cos), *coarse_cos], -2)[:, :, None]
    shape = (len(r), -1, r.shape[1])
    sines = (a_sin * b_cos + a_cos * b_sin).reshape(shape)[:, :count]
    cosines = (a_cos * b_cos - a_sin * b_sin).reshape(shape)[:, :count]
    envelope = jnp.where(inside, 0.5 * (1.0 + cos), 0) / x
    slope = k * (jnp.where(inside, -0.5 * sin, 0) - envelope) / x
    orders = k * jnp.arange(1, count + 1, dtype=r.dtype)[:, None]
    values = sines * envelope[:, None]
    return values, orders * cosines * envelope[:, None] + sines * slope[:, None]


def _multiples(
    sin: jax.Array, cos: jax.Array, count: int
) -> tuple[list[jax.Array], list[jax.Array]]:
    """Sines and cosines of x, 2x, ..., count * x."""
    sines, cosines = [sin], [cos]
    for _ in range(count - 1):
        s, c = sines[-1], cosines[-1]
        sines.append(s * cos + c * sin)
        cosines.append(c * cos - s * sin)
    return sines[:count], cosines[:count]


def gaussian_moments(
    vectors: jax.Array,
    receiver: jax.Array,
    sender: jax.Array,
    coefficients: jax.Array,
    cutoff: float,
) -> jax.Array:
    """Moments of all ranks, as distinct components.

    Parameters
    ----------
    vectors : (n, k, 3), Angstrom
    receiver : (n, n_elements)
        One-hot species; zeros for padding.
    sender : (n, k, n_elements)
        One-hot species; zeros for an empty slot.
    coefficients : (n_elements, n_elements, n_radial, n_basis)
        Radial coefficients by receiver and sender.
    cutoff : float, Angstrom

    Returns
    -------
    (n, n_radial, 20)
    """
    n, k, _ = vectors.shape
    n_elements, _, n_radial, n_basis = coefficients.shape
    # Edges go last: then every operation below runs along contiguous memory.
    components = [vectors[..., i] for i in range(3)]
    r = jnp.sqrt(sum((c**2 for c in components), start=jnp.zeros_like(components[0])))
    # The basis is a fixed combination of sines: combine the coefficients, not the edges.
    coefficients = coefficients @ _sine_weights(n_basis, cutoff).astype(coefficients.dtype)
    own = jnp.einsum("ne,efsc->nfsc", receiver, coefficients).reshape(n, -1, n_basis + 1)
    radial = jnp.einsum("nfc,nck->nfk", own, _sines(r, n_basis + 1, cutoff))
    chosen = jnp.swapaxes(sender, 1, 2)[:, :, None]
    radial = jnp.sum(radial.reshape(n, n_elements, n_radial, k) * chosen, axis=1)
    return jnp.einsum("nsk,nmk->nsm", radial, _monomials([c / r for c in components]))


def _monomials(unit: Sequence[jax.Array]) -> jax.Array:
    """1, x, y, z, xx, xy, ..., zzz from components (..., k): shape (..., 20, k)."""
    second = {ij: unit[ij[0]] * unit[ij[1]] for ij in _DISTINCT[2]}
    third = [second[ijk[:2]] * unit[ijk[2]] for ijk in _DISTINCT[3]]
    return jnp.stack([jnp.ones_like(unit[0]), *unit, *second.values(), *third], axis=-2)


_DISTINCT = {rank: list(itertools.combinations_with_replacement(range(3), rank)) for rank in (2, 3)}


def _expansion(rank: int) -> np.ndarray:
    """0/1 matrix (3**rank, distinct) from distinct components to the full symmetric tensor."""
    indices = itertools.product(range(3), repeat=rank)
    places = [_DISTINCT[rank].index(tuple(sorted(index))) for index in indices]
    return np.eye(len(_DISTINCT[rank]))[places]


def invariants(moments: jax.Array, n_contractions: int) -> jax.Array:
    """Full contractions of moments, shape (n, n_features).

    With r, s, t running over the radial functions, the families are, in order: M0;
    M1 M1; M2 M2; M3 M3; M2 M2 M2; M1 M1 M2; M3 M3 M2; M3 M2 M1. Those symmetric in r and s
    hold every product twice: sorting them out costs more than it saves.

    Parameters
    ----------
    moments : (n, n_radial, 20)
    n_contractions : int
        How many families to use.
    """
    n, n_radial, _ = moments.shape
    # Atoms go last: then every operation below runs along contiguous memory.
    components = jnp.transpose(moments, (2, 1, 0))
    m0, m1 = components[0], components[1:4]
    m2 = jnp.einsum("ij,jsn->isn", jnp.asarray(_expansion(2), moments.dtype), components[4:10])
    m3 = jnp.einsum("ij,jsn->isn", jnp.asarray(_expansion(3), moments.dtype), components[10:])
    matrix = m2.reshape(3, 3, n_radial, n)  # M2[i, j]
    stacked = m3.reshape(9, 3, n_radial, n)  # M3[ij, k]

    def pairs(a: jax.Array, b: jax.Array) -> jax.Array:
        """Contract the leading axis: (c, s, n), (c, t, n) -> (s, t, n)."""
        return jnp.sum(a[:, :, None] * b[:, None], axis=0)

    def products(a: jax.Array, b: jax.Array) -> jax.Array:
        """Contract the leading axis: (c, i, s, n), (c, j, t, n) -> (i, j, s, t, n)."""
        return jnp.sum(a[:, :, None, :, None] * b[:, None, :, None, :], axis=0)

    def with_matrix(product: jax.Array) -> jax.Array:
        """(3, 3, s, t, n) : M2[u] -> (s, t, u, n)."""
        flat = product.reshape(9, n_radial, n_radial, 1, n)
        return jnp.sum(flat * m2[:, None, None], axis=0)

    def cubic() -> jax.Array:
        vector = jnp.sum(stacked[:, :, :, None] * m2[:, None, None], axis=0)  # (k, s, t, n)
        return jnp.sum(vector[:, :, :, None] * m1[:, None, None], axis=0)

    families = (
        lambda: m0,
        lambda: pairs(m1, m1),
        lambda: pairs(m2, m2),
        lambda: pairs(m3, m3),
        lambda: with_matrix(products(matrix, matrix)),
        lambda: with_matrix(products(m1[None], m1[None])),
        lambda: with_matrix(products(stacked, stacked)),
        cubic,
    )
    features = [family().reshape(-1, n) for family in families[:n_contractions]]
    return jnp.concatenate(features, axis=0).T
