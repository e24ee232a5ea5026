"""Losses of predictions with mean and spread, value by value or vector by vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nodes.numerics.fit.config import LossKind

__all__ = ["Compared", "compare", "ensemble_mean_std"]

_SMALLEST_STD = 1e-6
_SMALLEST_VARIANCE = 1e-5
_SMALLEST_NORM = 1e-6


class Compared(NamedTuple):
    """A prediction beside its reference; leading axis b.

    Attributes
    ----------
    value, reference : (b, ...)
        Zero in both where there is padding.
    std : (b, ...) or None
        Spread of the members.
    members : (n_members, b, ...) or None
    """

    value: jax.Array
    reference: jax.Array
    std: Any = None
    members: Any = None


def compare(kind: LossKind, data: Compared, delta: jax.Array | float) -> jax.Array:
    """Loss of each value (b, ...), of each vector (b, n), or of six components (b, 6)."""
    return _LOSSES[kind](data, delta)


def ensemble_mean_std(members: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation over members (n - 1 in the denominator), at least 1e-6."""
    mean = jnp.mean(members, axis=axis)
    deviation = members - jnp.expand_dims(mean, axis)
    variance = jnp.sum(deviation**2, axis=axis) / max(members.shape[axis] - 1, 1)
    # The floor is added below the root, so that the gradient stays finite when members agree.
    return mean, jnp.sqrt(variance + _SMALLEST_STD**2)


def _mse(data: Compared, delta: jax.Array | float) -> jax.Array:
    return (data.value - data.reference) ** 2


def _huber(data: Compared, delta: jax.Array | float) -> jax.Array:
    """x^2 / 2 up to delta, delta (abs(x) - delta / 2) beyond."""
    error = data.value - data.reference
    size = jnp.abs(error)
    return jnp.where(size < delta, 0.5 * error**2, delta * (size - 0.5 * delta))


def _crps(data: Compared, delta: jax.Array | float) -> jax.Array:
    """Continuous ranked probability score of a normal distribution.

    Gneiting et al., Mon. Weather Rev. 133, 1098 (2005), eq. 5. It has the unit of the error and
    tends to abs(error) when the spread is small.
    """
    z = (data.value - data.reference) / data.std
    density = jnp.exp(-0.5 * z**2) / jnp.sqrt(2.0 * jnp.pi)
    probability = jax.scipy.stats.norm.cdf(z)
    return data.std * (z * (2.0 * probability - 1.0) + 2.0 * density - 1.0 / jnp.sqrt(jnp.pi))


def _nll(data: Compared, delta: jax.Array | float) -> jax.Array:
    """Negative log-likelihood of a normal distribution, without the constant."""
    return jnp.log(data.std) + 0.5 * ((data.value - data.reference) / data.std) ** 2


def _nll_3x3(data: Compared, delta: jax.Array | float) -> jax.Array:
    """Negative log-likelihood of vectors with the covariance of the members plus 1e-5.

    By elimination, whose pivots cannot be less than 1e-5: a determinant would be rounding errors
    where members differ along one line or plane only, as in dimers or with few members.
    """
    e = data.value - data.reference
    deviation = data.members - jnp.mean(data.members, axis=0)
    c = jnp.einsum("m...i,m...j->...ij", deviation, deviation, precision="highest")
    c = c / (data.members.shape[0] - 1)
    least = _SMALLEST_VARIANCE
    first = c[..., 0, 0] + least
    a, b = c[..., 1, 0] / first, c[..., 2, 0] / first
    second = jnp.maximum(c[..., 1, 1] + least - a * c[..., 1, 0], least)
    d = (c[..., 2, 1] - b * c[..., 1, 0]) / second
    third = jnp.maximum(c[..., 2, 2] + least - b * c[..., 2, 0] - d**2 * second, least)
    y = e[..., 1] - a * e[..., 0]
    z = e[..., 2] - b * e[..., 0] - d * y
    distance = e[..., 0] ** 2 / first + y**2 / second + z**2 / third
    return 0.5 * (distance + jnp.log(first) + jnp.log(second) + jnp.log(third))


def _cosine_sim(data: Compared, delta: jax.Array | float) -> jax.Array:
    return _one_minus_cosine(data)[0]


def _cosine_sim_div_magnitude(data: Compared, delta: jax.Array | float) -> jax.Array:
    loss, size = _one_minus_cosine(data)
    known = size > _SMALLEST_NORM
    return jnp.where(known, loss / jnp.where(known, size, 1.0), 0.0)


def _cosine_sim_exp_magnitude(data: Compared, delta: jax.Array | float) -> jax.Array:
    loss, size = _one_minus_cosine(data)
    return loss * jnp.exp(-size)


def _one_minus_cosine(data: Compared) -> tuple[jax.Array, jax.Array]:
    """1 - cosine of the angle, and the size of the reference; vectors of no size give 1."""
    value, size = _norm(data.value), _norm(data.reference)
    product = jnp.sum(data.value * data.reference, axis=-1)
    return 1.0 - product / (value * size), size


def _norm(vectors: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.maximum(jnp.sum(vectors**2, axis=-1), _SMALLEST_NORM**2))


def _tril(data: Compared, delta: jax.Array | float) -> jax.Array:
    rows, columns = jnp.tril_indices(3)
    return (data.value - data.reference)[..., rows, columns] ** 2


_LOSSES: dict[str, Callable[[Compared, jax.Array | float], jax.Array]] = {
    "mse": _mse,
    "huber": _huber,
    "crps": _crps,
    "nll": _nll,
    "nll_3x3": _nll_3x3,
    "cosine_sim": _cosine_sim,
    "cosine_sim_div_magnitude": _cosine_sim_div_magnitude,
    "cosine_sim_exp_magnitude": _cosine_sim_exp_magnitude,
    "tril": _tril,
}
