"""The neural network from features to atomic energies.

All atoms share one network. A shallow ensemble (Kellner & Ceriotti, Mach. Learn.: Sci. Technol.
5, 035006, 2024) is its last layer: one output per member, all else in common.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from nodes.numerics.potentials.drawing import normal, truncated_normal

__all__ = ["Layer", "Readout", "scale_spread"]

Layer = dict[str, jax.Array]
"""``w`` of shape (n_in, n_out) and ``b`` of shape (n_out,)."""

_UNIT_VARIANCE = 1.6765324703310907
"""Brings silu(x) back to unit variance for a standard normal x."""


@dataclass(frozen=True)
class Readout:
    """A multilayer perceptron.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the hidden layers.
    activation : str
        'scaled_silu' (1.6765 silu(x)), or the name of a function of one argument in `jax.nn`.
    ntk : bool
        Neural-tangent parametrization: layers are x w / sqrt(n_in) + 0.1 b with w of unit
        variance (Jacot et al., arXiv:1806.07572).
    weight_init : {'normal', 'lecun'}
        Normal, or truncated normal, of variance 1 / n_in (1 with ``ntk``).
    bias_init : {'zeros', 'normal'}

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    hidden: tuple[int, ...] = (256, 256)
    activation: str = "scaled_silu"
    ntk: bool = False
    weight_init: Literal["normal", "lecun"] = "normal"
    bias_init: Literal["zeros", "normal"] = "zeros"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(int(width) for width in self.hidden))
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden must name at least one width, received {self.hidden}")
        if self.activation != "scaled_silu" and not callable(
            getattr(jax.nn, self.activation, None)
        ):
            raise ValueError(
                f"activation must be 'scaled_silu' or a function of jax.nn, received "
                f"{self.activation!r}"
            )
        if self.weight_init not in ("normal", "lecun"):
            raise ValueError(
                f"weight_init must be 'normal' or 'lecun', received {self.weight_init!r}"
            )
        if self.bias_init not in ("zeros", "normal"):
            raise ValueError(f"bias_init must be 'zeros' or 'normal', received {self.bias_init!r}")

    def init(self, key: jax.Array, n_in: int, n_out: int, dtype: Any) -> list[Layer]:
        """Random layers from n_in features to n_out outputs."""
        widths = (n_in, *self.hidden, n_out)
        keys = jax.random.split(key, len(widths) - 1)
        return [
            {"w": self._weights(k, a, b, dtype), "b": self._bias(k, b, dtype)}
            for k, a, b in zip(keys, widths[:-1], widths[1:], strict=True)
        ]

    def _weights(self, key: jax.Array, n_in: int, n_out: int, dtype: Any) -> jax.Array:
        if self.weight_init == "lecun":
            weights = truncated_normal(key, (n_in, n_out), dtype)
        else:
            weights = normal(key, (n_in, n_out), dtype)
        return weights if self.ntk else weights / n_in**0.5

    def _bias(self, key: jax.Array, n_out: int, dtype: Any) -> jax.Array:
        if self.bias_init == "zeros":
            return jnp.zeros(n_out, dtype)
        return normal(jax.random.fold_in(key, 1), (n_out,), dtype)

    def hidden_features(self, layers: list[Layer], features: jax.Array) -> jax.Array:
        """Input of the last layer, shape (n, last hidden width)."""
        activation = self._activation()
        for layer in layers[:-1]:
            features = activation(self._affine(layer, features))
        return features

    def last_layer(self, layers: list[Layer], hidden: jax.Array) -> jax.Array:
        """Output of each member, shape (n, n_members)."""
        return self._affine(layers[-1], hidden)

    def _affine(self, layer: Layer, x: jax.Array) -> jax.Array:
        if self.ntk:
            return x @ layer["w"] / layer["w"].shape[0] ** 0.5 + 0.1 * layer["b"]
        return x @ layer["w"] + layer["b"]

    def _activation(self) -> Callable[[jax.Array], jax.Array]:
        if self.activation == "scaled_silu":
            return lambda x: _UNIT_VARIANCE * jax.nn.silu(x)
        return getattr(jax.nn, self.activation)


def scale_spread(layers: list[Layer], factor: float) -> list[Layer]:
    """Multiply all deviations of members from their mean by ``factor``; the mean stays.

    Every uncertainty of the ensemble, of energies and of forces, is multiplied by the factor.
    """

    def spread(outputs: jax.Array) -> jax.Array:
        mean = jnp.mean(outputs, axis=-1, keepdims=True)
        return mean + factor * (outputs - mean)

    last = {name: spread(values) for name, values in layers[-1].items()}
    return [*layers[:-1], last]
