"""Gaussian moments of a neighbourhood, with their derivatives written out.

A moment is M[s, m] = sum_k R_s(r_k) Y_m(u_k) with the monomials Y of `invariants.MONOMIALS`.
Edges run along the last axis of every array, so that operations run along contiguous memory, and
sums over components are written term by term.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nodes.numerics.potentials.invariants import MONOMIALS
from nodes.numerics.potentials.radial import RadialBasis
from nodes.numerics.potentials.representation import Edges

__all__ = ["Settings", "moments", "moments_tangent"]


class Settings(NamedTuple):
    """What is fixed at compile time."""

    basis: RadialBasis
    cutoff: float
    direction_offset: float


class _Geometry(NamedTuple):
    """Distances (n, k) and directions as three arrays (n, k)."""

    r: jax.Array
    unit: tuple[jax.Array, ...]
    """Edge vector over r."""
    direction: tuple[jax.Array, ...]
    """Edge vector over r + offset."""
    inverse: jax.Array
    """1 / (r + offset)."""


def _geometry(settings: Settings, vectors: jax.Array) -> _Geometry:
    x, y, z = (vectors[..., i] for i in range(3))
    r = jnp.sqrt(x * x + y * y + z * z)
    inverse = 1.0 / (r + settings.direction_offset)
    direction = (x * inverse, y * inverse, z * inverse)
    unit = direction if settings.direction_offset == 0.0 else (x / r, y / r, z / r)
    return _Geometry(r, unit, direction, inverse)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def moments(settings: Settings, coefficients: jax.Array, edges: Edges) -> jax.Array:
    """Moments of all ranks, as distinct components.

    Parameters
    ----------
    coefficients : (n_elements, n_elements, n_radial, n_basis)
        Radial coefficients by receiver and sender.
    edges : Edges

    Returns
    -------
    (n, n_radial, 20)
    """
    return _forward(settings, coefficients, edges)[0]


def _forward(settings: Settings, coefficients: jax.Array, edges: Edges) -> tuple:
    geometry = _geometry(settings, edges.vectors)
    radial, slopes = _radial(settings, coefficients, edges, geometry.r)
    values = jnp.einsum("nsk,nmk->nsm", radial, _stack(_monomials(geometry.direction)))
    return values, (coefficients, edges, radial, slopes)


def _backward(settings: Settings, kept: tuple, cotangent: jax.Array) -> tuple:
    coefficients, edges, radial, slopes = kept
    geometry = _geometry(settings, edges.vectors)
    k = radial.shape[-1]
    both = jnp.concatenate([radial, slopes], axis=-1)
    weights = jnp.einsum("nsm,nsk->nmk", cotangent, both)
    along, across = weights[..., k:], weights[..., :k]
    values, gradients = _monomials(geometry.direction), _monomial_gradients(geometry.direction)
    radial_part = _total(along[:, m] * value for m, value in enumerate(values))
    turn = [_total(across[:, m] * gradient for m, gradient in terms.items()) for terms in gradients]
    projection = _total(t * d for t, d in zip(turn, geometry.direction, strict=True))
    radial_part = radial_part - geometry.inverse * projection
    parts = zip(turn, geometry.unit, strict=True)
    vectors = jnp.stack([radial_part * u + geometry.inverse * t for t, u in parts], axis=-1)
    _, pull_back = jax.vjp(lambda c: _forward(settings, c, edges)[0], coefficients)
    # Only vectors have a derivative: the rest of the edges is made of integers.
    none: Any = None
    return *pull_back(cotangent), Edges(vectors, none, none, none)


moments.defvjp(_forward, _backward)


def moments_tangent(
    settings: Settings, coefficients: jax.Array, edges: Edges, direction: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Moments and their change as edge vectors move along ``direction`` (n, k, 3).

    Meant to be differentiated by the coefficients.
    """
    geometry = _geometry(settings, edges.vectors)
    radial, slopes = _radial(settings, coefficients, edges, geometry.r)
    stretch = _total(u * direction[..., i] for i, u in enumerate(geometry.unit))
    turn = [
        geometry.inverse * (direction[..., i] - d * stretch)
        for i, d in enumerate(geometry.direction)
    ]
    monomials = _stack(_monomials(geometry.direction))
    gradients = _monomial_gradients(geometry.direction)
    change = [jnp.zeros_like(stretch)] * len(MONOMIALS)
    for t, terms in zip(turn, gradients, strict=True):
        for m, gradient in terms.items():
            change[m] = change[m] + t * gradient
    values = jnp.einsum("nsk,nmk->nsm", radial, monomials)
    tangent = jnp.einsum("nsk,nmk->nsm", radial, _stack(change))
    tangent += jnp.einsum("nsk,nmk->nsm", slopes * stretch[:, None], monomials)
    return values, tangent


def _radial(
    settings: Settings, coefficients: jax.Array, edges: Edges, r: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Radial functions of each edge and their slopes, (n, n_radial, k), zero in empty slots."""
    n_elements, _, n_radial, n_basis = coefficients.shape
    (n, k), dtype = r.shape, r.dtype
    receiver = jax.nn.one_hot(edges.receiver, n_elements, dtype=dtype)
    own = (receiver @ coefficients.reshape(n_elements, -1)).reshape(n, -1, n_basis)
    expanded = settings.basis.expand(own, r, settings.cutoff)
    mine = [(edges.sender == element).astype(dtype)[:, None] for element in range(n_elements)]
    by_sender = [part.reshape(n, n_elements, n_radial, k) for part in expanded]
    radial, slopes = (
        _total(part[:, e] * mask for e, mask in enumerate(mine)) for part in by_sender
    )
    return radial, slopes


def _stack(rows: list[jax.Array]) -> jax.Array:
    return jnp.stack(rows, axis=-2)


def _monomials(unit: tuple[jax.Array, ...]) -> list[jax.Array]:
    """1, x, y, z, xx, xy, ..., zzz."""
    rows: dict[tuple[int, ...], jax.Array] = {(): jnp.ones_like(unit[0])}
    for axes in MONOMIALS[1:]:
        rows[axes] = rows[axes[:-1]] * unit[axes[-1]]
    return list(rows.values())


def _monomial_gradients(unit: tuple[jax.Array, ...]) -> list[dict[int, jax.Array]]:
    """Per axis, the derivatives of those monomials that depend on it, by their index."""
    values = dict(zip(MONOMIALS, _monomials(unit), strict=True))
    gradients: list[dict[int, jax.Array]] = [{}, {}, {}]
    for m, axes in enumerate(MONOMIALS):
        for axis in set(axes):
            rest = list(axes)
            rest.remove(axis)
            gradients[axis][m] = axes.count(axis) * values[tuple(rest)]
    return gradients


def _total(terms: object) -> jax.Array:
    """Sum written out term by term."""
    result, *rest = terms  # type: ignore[misc]
    for term in rest:
        result = result + term
    return result
