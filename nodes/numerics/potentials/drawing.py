"""Random initial weights, drawn in blocks of one size.

XLA needs about half a second to compile a generator, anew for every shape. Drawn in blocks, all
weights of all models share one.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp

__all__ = ["normal", "orthogonal", "truncated_normal"]

_BLOCK = 1 << 14
_CUT = 2.0
_DEVIATION_AFTER_CUT = 0.87962566103423978
"""Of the normal distribution that is cut off at -2 and 2."""


def normal(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Numbers of unit variance."""
    return _draw("normal", key, shape, dtype)


def truncated_normal(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Numbers of unit variance, from a normal distribution that is cut off at two deviations."""
    return _draw("truncated", key, shape, dtype) / _DEVIATION_AFTER_CUT


def orthogonal(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Matrices of orthonormal rows; of orthonormal columns if there are more rows than columns."""
    *many, n_rows, n_columns = shape
    tall = normal(key, (*many, max(n_rows, n_columns), min(n_rows, n_columns)), dtype)
    columns = jnp.linalg.qr(tall)[0]
    return columns if n_rows > n_columns else jnp.swapaxes(columns, -1, -2)


def _draw(
    kind: Literal["normal", "truncated"], key: jax.Array, shape: tuple[int, ...], dtype: Any
) -> jax.Array:
    size = math.prod(shape)
    keys = [key, *(jax.random.fold_in(key, number) for number in range(1, -(-size // _BLOCK)))]
    blocks = [_block(kind, each, dtype) for each in keys]
    values = blocks[0] if len(blocks) == 1 else jnp.concatenate(blocks)
    return values[:size].reshape(shape)


@partial(jax.jit, static_argnums=(0, 2))
def _block(kind: Literal["normal", "truncated"], key: jax.Array, dtype: Any) -> jax.Array:
    if kind == "normal":
        return jax.random.normal(key, (_BLOCK,), dtype)
    return jax.random.truncated_normal(key, -_CUT, _CUT, (_BLOCK,), dtype)
