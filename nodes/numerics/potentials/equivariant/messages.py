"""Messages: what each atom gathers from its neighbours.

A message is, per channel f and summed over neighbours j and over the allowed paths (l, s, t),

    y_t[i] = sum w[f] h_l[ij, f] (Y_l[ij] x_s[j, f])_t

with filters h of the distance, harmonics Y of the direction, features x of the neighbour, coupled
by Clebsch-Gordan coefficients to features of the irrep t.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from nodes.numerics.potentials.equivariant.coupling import Irrep, Path

__all__ = ["Features", "messages"]

Features = dict[Irrep, jax.Array]
"""Components (n, 2 l + 1, f) by irrep."""


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def messages(
    paths: tuple[Path, ...],
    neighbor: jax.Array,
    weights: jax.Array,
    filters: list[jax.Array],
    harmonics: list[jax.Array],
    features: Features,
) -> Features:
    """Sum of the products over neighbours.

    Derivatives by features are gathered over reverse edges, whose filters are equal and whose
    harmonics differ by the sign (-1)^l. So the list must hold every edge in both directions.
    Scattered sums would be slow, and on a GPU not reproducible.

    Parameters
    ----------
    paths : tuple of Path
    neighbor : (n, k) int
        Row of ``features`` that an edge brings.
    weights : (n_paths, f)
    filters : arrays (n, k, f) for each degree
        Zero in empty slots.
    harmonics : arrays (n, 2 l + 1, k) for each degree
    features : dict of arrays (n, 2 l + 1, f)
    """
    return _sums(paths, _brought(neighbor, features), weights, filters, harmonics)


_Arguments = tuple[jax.Array, jax.Array, list[jax.Array], list[jax.Array], Features]


def _forward(
    paths: tuple[Path, ...],
    neighbor: jax.Array,
    weights: jax.Array,
    filters: list[jax.Array],
    harmonics: list[jax.Array],
    features: Features,
) -> tuple[Features, _Arguments]:
    arguments = (neighbor, weights, filters, harmonics, features)
    return messages(paths, *arguments), arguments


def _backward(
    paths: tuple[Path, ...], arguments: _Arguments, cotangent: Features
) -> tuple[Any, ...]:
    neighbor, weights, filters, harmonics, features = arguments
    local = partial(_sums, paths, _brought(neighbor, features))
    _, pull_back = jax.vjp(local, weights, filters, harmonics)
    back = tuple(path.adjoint for path in paths)
    by_features = messages(back, neighbor, weights, filters, harmonics, cotangent)
    return None, *pull_back(cotangent), by_features


messages.defvjp(_forward, _backward)


def _brought(neighbor: jax.Array, features: Features) -> Features:
    """Features of the neighbours, (n, k, 2 l + 1, f)."""
    rows = {irrep: values.reshape(len(values), -1)[neighbor] for irrep, values in features.items()}
    return {i: rows[i].reshape(*neighbor.shape, *features[i].shape[1:]) for i in features}


def _sums(
    paths: tuple[Path, ...],
    brought: Features,
    weights: jax.Array,
    filters: list[jax.Array],
    harmonics: list[jax.Array],
) -> Features:
    """Messages from the features that each edge brings, (n, k, 2 l + 1, f)."""
    sums: Features = {}
    for path, weight in zip(paths, weights, strict=True):
        coefficients = jnp.asarray(path.coefficients, weight.dtype)
        angular = jnp.einsum("nak,abc->nkbc", harmonics[path.degree], coefficients)
        product = filters[path.degree][:, :, None] * brought[path.source]
        if path.source.degree == 0:
            total = jnp.einsum("nkc,nkf->ncf", angular[:, :, 0], product[:, :, 0])
        else:
            total = jnp.sum(angular[..., None] * product[:, :, :, None], axis=(1, 2))
        total = weight * total
        sums[path.target] = sums[path.target] + total if path.target in sums else total
    return sums
