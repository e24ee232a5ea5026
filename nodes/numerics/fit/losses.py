"""Losses of a prediction with mean and standard deviation, element by element."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from nodes.numerics.fit.config import LossName

__all__ = ["ensemble_mean_std", "loss_function"]

Loss = Callable[[jax.Array, jax.Array], jax.Array]
"""(mean - reference, standard deviation) -> loss, all of one shape."""

_SMALLEST_STD = 1e-6


def loss_function(name: LossName, huber_delta: jax.Array | float) -> Loss:
    """Look up a loss by name."""
    losses: dict[str, Loss] = {
        "mse": lambda error, std: error**2,
        "huber": partial(_huber, delta=huber_delta),
        "crps": _crps,
        "nll": lambda error, std: jnp.log(std) + 0.5 * (error / std) ** 2,
    }
    return losses[name]


def _huber(error: jax.Array, std: jax.Array, delta: jax.Array | float) -> jax.Array:
    """x^2 / 2 up to delta, delta (abs(x) - delta / 2) beyond."""
    size = jnp.abs(error)
    return jnp.where(size < delta, 0.5 * error**2, delta * (size - 0.5 * delta))


def _crps(error: jax.Array, std: jax.Array) -> jax.Array:
    """Continuous ranked probability score of a normal distribution.

    Gneiting et al., Mon. Weather Rev. 133, 1098 (2005), eq. 5. It has the unit of the error and
    tends to abs(error) when the spread is small.
    """
    z = error / std
    density = jnp.exp(-0.5 * z**2) / jnp.sqrt(2.0 * jnp.pi)
    probability = jax.scipy.stats.norm.cdf(z)
    return std * (z * (2.0 * probability - 1.0) + 2.0 * density - 1.0 / jnp.sqrt(jnp.pi))


def ensemble_mean_std(members: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation over members (n - 1 in the denominator), at least 1e-6."""
    mean = jnp.mean(members, axis=axis)
    deviation = members - jnp.expand_dims(mean, axis)
    variance = jnp.sum(deviation**2, axis=axis) / max(members.shape[axis] - 1, 1)
    # The floor is added below the root, so that the gradient stays finite when members agree.
    return mean, jnp.sqrt(variance + _SMALLEST_STD**2)
