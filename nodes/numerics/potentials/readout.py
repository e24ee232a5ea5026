"""The neural network from features to atomic energies.

All atoms share one network. A shallow ensemble (Kellner & Ceriotti, Mach. Learn.: Sci. Technol.
5, 035006, 2024) is its last layer: one output per member, all else in common.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

__all__ = ["Layer", "hidden_features", "init_layers", "last_layer", "scale_spread"]

Layer = dict[str, jax.Array]
"""``w`` of shape (n_in, n_out) and ``b`` of shape (n_out,)."""

_UNIT_VARIANCE = 1.6765324703310907
"""Brings silu(x) back to unit variance for a standard normal x."""


def init_layers(key: jax.Array, widths: tuple[int, ...]) -> list[Layer]:
    """Normal weights of variance 1 / n_in and zero biases."""
    keys = jax.random.split(key, len(widths) - 1)
    dtype = jnp.result_type(float)
    return [
        {"w": jax.random.normal(k, (a, b), dtype) / a**0.5, "b": jnp.zeros(b, dtype)}
        for k, a, b in zip(keys, widths[:-1], widths[1:], strict=True)
    ]


def hidden_features(layers: list[Layer], features: jax.Array) -> jax.Array:
    """Input of the last layer, shape (n, last hidden width)."""
    for layer in layers[:-1]:
        features = _UNIT_VARIANCE * jax.nn.silu(features @ layer["w"] + layer["b"])
    return features


def last_layer(layers: list[Layer], hidden: jax.Array) -> jax.Array:
    """Output of each member, shape (n, n_members)."""
    return hidden @ layers[-1]["w"] + layers[-1]["b"]


def scale_spread(layers: list[Layer], factor: float) -> list[Layer]:
    """Multiply all deviations of members from their mean by ``factor``; the mean stays.

    Every uncertainty of the ensemble, of energies and of forces, is multiplied by the factor.
    """

    def spread(outputs: jax.Array) -> jax.Array:
        mean = jnp.mean(outputs, axis=-1, keepdims=True)
        return mean + factor * (outputs - mean)

    last = {name: spread(values) for name, values in layers[-1].items()}
    return [*layers[:-1], last]
