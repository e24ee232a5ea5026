"""A property as a network of features, scaled and shifted by element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from nodes.numerics.potentials.precision import FloatType
from nodes.numerics.potentials.readout import Readout
from nodes.numerics.potentials.representation import Description, Weights

__all__ = ["PropertyHead"]

_MODES = ("l0", "l1", "symmetric_l2", "symmetric_traceless_l2")
_AGGREGATIONS = ("none", "sum", "mean")


@dataclass(frozen=True)
class PropertyHead:
    """A network from the features of atoms to a number, vector or matrix.

    Vectors and matrices turn with the structure: they are sums over those of the description,
    each times an output of the network. A symmetric matrix also gets one output times the unit
    matrix. Values are multiplied by a number of the element; a number of the element is added to
    ``l0`` and, times the unit matrix, to ``symmetric_l2``.

    Parameters
    ----------
    name : str
        Of the property, in predictions and labels.
    mode : {'l0', 'l1', 'symmetric_l2', 'symmetric_traceless_l2'}
        Number, vector, symmetric matrix, or symmetric matrix without trace.
    aggregation : {'none', 'sum', 'mean'}
        One value per atom, or their sum or mean.
    hidden, activation, ntk, weight_init, bias_init
        Of the network, see `Readout`.
    n_members : int
        Last layers of a shallow ensemble; 1 for none. Their values are the last axis.
    precision : {'default', 'float32', 'float64'}
        Float type of the network; 'default' is that of the model's readout.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    name: str
    mode: Literal["l0", "l1", "symmetric_l2", "symmetric_traceless_l2"] = "l0"
    aggregation: Literal["none", "sum", "mean"] = "none"
    hidden: tuple[int, ...] = (128, 128)
    activation: str = "scaled_silu"
    n_members: int = 1
    ntk: bool = False
    weight_init: Literal["normal", "lecun"] = "normal"
    bias_init: Literal["zeros", "normal"] = "zeros"
    precision: FloatType = "default"

    def __post_init__(self) -> None:
        if not self.name or set("./") & set(self.name) or self.name in _RESERVED:
            raise ValueError(
                f"name must be a word without '.' and '/' and none of {sorted(_RESERVED)}, "
                f"received {self.name!r}"
            )
        if self.mode not in _MODES:
            raise ValueError(f"mode must be one of {_MODES}, received {self.mode!r}")
        if self.aggregation not in _AGGREGATIONS:
            raise ValueError(
                f"aggregation must be one of {_AGGREGATIONS}, received {self.aggregation!r}"
            )
        if self.n_members < 1:
            raise ValueError(f"n_members must be at least 1, received {self.n_members}")
        if self.precision not in ("default", "float32", "float64"):
            raise ValueError(
                f"precision must be 'default', 'float32' or 'float64', received {self.precision!r}"
            )
        object.__setattr__(self, "hidden", self.readout.hidden)

    @property
    def readout(self) -> Readout:
        """The network."""
        return Readout(self.hidden, self.activation, self.ntk, self.weight_init, self.bias_init)

    @property
    def of_atoms(self) -> bool:
        """Whether each atom has a value."""
        return self.aggregation == "none"

    def init(
        self, key: jax.Array, description: Description, n_elements: int, dtype: Any
    ) -> Weights:
        """Layers, scale (e,), and shift (e,) where there is one.

        Raises
        ------
        ValueError
            If the description has no vectors or matrices and the mode needs them.
        """
        if self.precision != "default":
            dtype = jax.dtypes.canonicalize_dtype(self.precision)
        n_in, n_out = description.scalars.shape[-1], self.n_members * self._n_gates(description)
        weights = {
            "layers": self.readout.init(key, n_in, n_out, dtype),
            "scale": jnp.ones(n_elements, dtype),
        }
        if self.mode in ("l0", "symmetric_l2"):
            weights["shift"] = jnp.zeros(n_elements, dtype)
        return weights

    def values(self, weights: Weights, description: Description, species: jax.Array) -> jax.Array:
        """Values of structures (b, ...) or atoms (b, n, ...); see `Head.values`."""
        features = description.scalars.astype(weights["layers"][0]["w"].dtype)
        hidden = self.readout.hidden_features(weights["layers"], features)
        gates = self.readout.last_layer(weights["layers"], hidden)
        gates = gates.reshape(len(gates), self._n_gates(description), self.n_members)
        values = self._gated(gates, description)
        scale, shift = self._by_element(weights, species, values.ndim)
        values = scale * values + shift
        values = jnp.where(species.reshape(-1, *[1] * (values.ndim - 1)) >= 0, values, 0)
        values = values.reshape(*species.shape, *values.shape[1:])
        if self.n_members == 1:
            values = values[..., 0]
        if self.aggregation == "none":
            return values
        total = jnp.sum(values, axis=1, dtype=jnp.result_type(float))
        if self.aggregation == "sum":
            return total
        count = jnp.maximum(jnp.sum(species >= 0, axis=1), 1)
        return total / count.reshape(-1, *[1] * (total.ndim - 1)).astype(total.dtype)

    def _n_gates(self, description: Description) -> int:
        """Outputs of the network for each member."""
        if self.mode == "l0":
            return 1
        if self.mode == "l1":
            return _required(description.vectors, self.mode, "vectors").shape[1]
        n_matrices = _required(description.matrices, self.mode, "matrices").shape[1]
        return n_matrices + (self.mode == "symmetric_l2")

    def _gated(self, gates: jax.Array, description: Description) -> jax.Array:
        """Values of atoms before scale and shift: (N, M), (N, 3, M) or (N, 3, 3, M)."""
        if self.mode == "l0":
            return gates[:, 0]
        if self.mode == "l1":
            vectors = _required(description.vectors, self.mode, "vectors").astype(gates.dtype)
            return jnp.einsum("ncm,nci->nim", gates, vectors)
        matrices = _required(description.matrices, self.mode, "matrices").astype(gates.dtype)
        unit = jnp.eye(3, dtype=gates.dtype)
        if self.mode == "symmetric_l2":
            unit = jnp.broadcast_to(unit, (len(matrices), 1, 3, 3))
            matrices = jnp.concatenate([matrices, unit], axis=1)
        else:
            trace = jnp.trace(matrices, axis1=-2, axis2=-1)
            matrices -= trace[..., None, None] / 3.0 * unit
        return jnp.einsum("ncm,ncij->nijm", gates, matrices)

    def _by_element(
        self, weights: Weights, species: jax.Array, ndim: int
    ) -> tuple[jax.Array, jax.Array]:
        """Scale and shift of each atom, ready to be broadcast."""
        shape = (-1, *[1] * (ndim - 1))
        rows = species.reshape(-1)
        scale = weights["scale"][rows].reshape(shape)
        if "shift" not in weights:
            return scale, jnp.zeros((), scale.dtype)
        shift = weights["shift"][rows].reshape(shape)
        return scale, shift * jnp.eye(3, dtype=shift.dtype)[..., None] if ndim == 4 else shift


_RESERVED = {
    "energy", "free_energy", "forces", "stress", "virial", "energy_std", "forces_std",
    "energies_ensemble", "forces_ensemble", "bias_energy",
}  # fmt: skip
"""Names under which predictions hold something else."""


def _required(part: jax.Array | None, mode: str, what: str) -> jax.Array:
    if part is None:
        raise ValueError(
            f"mode={mode!r} must have {what} in the description, received none; take a "
            f"representation that makes them, such as GaussianMoments()"
        )
    return part
