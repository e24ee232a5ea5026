"""What is set before training: reference energies, scales and feature statistics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.fit.packing import Dataset
from nodes.numerics.fit.scale_shift import Scale, Shift
from nodes.numerics.potentials.graph import Graph
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.structures import Structure

__all__ = ["normalise_features", "set_scale_shift"]

_MOST_STRUCTURES = 1024
_SPREADS = 3.0
_LEAST_SPREAD = 1e-3


def set_scale_shift(
    model: EnergyModel, params: Params, structures: Sequence[Structure], shift: Shift, scale: Scale
) -> Params:
    """Fill in reference energies and scales."""
    elements = model.config.elements
    dtype = params["weights"]["scale"].dtype
    scales = jnp.asarray(scale(structures, elements), dtype)
    weights = params["weights"] | {"scale": scales}
    return {
        "weights": weights,
        "constants": params["constants"] | {"reference": shift(structures, elements)},
    }


def normalise_features(model: EnergyModel, params: Params, datasets: Sequence[Dataset]) -> Params:
    """Fill in the mean of each feature over all atoms, and one scale for all features.

    The scale is three times the root mean square of their deviations. To bring each feature to
    unit variance would blow up those that hardly vary. Of a large set, 1024 evenly spaced
    structures of each shape are looked at.
    """
    graphs = [jax.tree.map(_some, dataset.graph) for dataset in datasets]
    nothing = jnp.zeros_like(params["constants"]["feature_mean"])
    count = sum(int(np.sum(np.asarray(graph.species) >= 0)) for graph in graphs)
    mean = sum(_moments(model, params, graph, nothing)[0] for graph in graphs) / count
    centre = jnp.asarray(mean, nothing.dtype)
    square = sum(_moments(model, params, graph, centre)[1] for graph in graphs) / count
    spread, size = (np.sqrt(np.mean(x, axis=-1, keepdims=True)) for x in (square, mean**2))
    # Atoms that are all alike differ by rounding only.
    scale = _SPREADS * np.maximum(spread, _LEAST_SPREAD * size)
    scale = np.broadcast_to(np.where(scale > 0.0, scale, 1.0), nothing.shape)
    constants = {"feature_mean": centre, "feature_scale": jnp.asarray(scale, nothing.dtype)}
    return {**params, "constants": params["constants"] | constants}


def _some(leaf: Any) -> Any:
    return leaf[:: -(-len(leaf) // _MOST_STRUCTURES)]


def _moments(model: EnergyModel, params: Params, graphs: Graph, centre: Any) -> np.ndarray:
    """Sums over all atoms of ``feature - centre`` and of its square, in float64."""
    sums = _summed(model, params, graphs, centre)
    return np.sum(np.asarray(sums, np.float64), axis=1)


@partial(jax.jit, static_argnums=0)
def _summed(model: EnergyModel, params: Params, graphs: Graph, centre: Any) -> tuple[Any, Any]:
    """The sums of each structure, one after the other."""

    def one(graph: Graph) -> tuple[jax.Array, jax.Array]:
        here = (graph.species >= 0)[:, None]
        deviation = model.features(params, graph) - centre[..., None, :]
        deviation = jnp.where(here, deviation, 0.0)
        return jnp.sum(deviation, axis=-2), jnp.sum(deviation**2, axis=-2)

    return jax.lax.map(one, graphs)
