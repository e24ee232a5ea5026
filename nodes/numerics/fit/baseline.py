"""What is set before training: reference energies, scales and feature statistics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.potentials.graph import Graph, species_of
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.structures import Structure

__all__ = ["force_scales", "reference_energies", "set_baseline"]


def reference_energies(structures: Sequence[Structure], elements: Sequence[int]) -> np.ndarray:
    """Energy per atom of each element, eV, shape (n_elements,), by least squares.

    Deviations from the mean energy per atom are regressed on the composition with the least
    norm, so compositions that do not tell elements apart give equal shares. Zero without labels.
    """
    labelled = [s for s in structures if s.energy is not None]
    if not labelled:
        return np.zeros(len(elements))
    counts = np.array(
        [np.bincount(species_of(s.numbers, elements), minlength=len(elements)) for s in labelled]
    )
    energies = np.array([s.energy for s in labelled], np.float64)
    mean = energies.sum() / counts.sum()
    deviation = energies - mean * counts.sum(axis=1)
    return mean + np.linalg.lstsq(counts.astype(np.float64), deviation, rcond=1e-6)[0]


def force_scales(structures: Sequence[Structure], elements: Sequence[int]) -> np.ndarray:
    """Root mean square force component of each element, eV/Angstrom, shape (n_elements,).

    That is sqrt(mean(F . F) / 3). An element without forces gets the value over all atoms, or 1
    if there are no forces at all.
    """
    labelled = [(s.numbers, s.forces) for s in structures if s.forces is not None]
    if not labelled:
        return np.ones(len(elements))
    species = np.concatenate([species_of(numbers, elements) for numbers, _ in labelled])
    squares = np.concatenate([np.mean(np.square(forces), axis=1) for _, forces in labelled])
    counts = np.bincount(species, minlength=len(elements))
    sums = np.bincount(species, weights=squares, minlength=len(elements))
    overall = squares.mean() or 1.0
    means = np.where(sums > 0, sums / np.maximum(counts, 1), overall)
    return np.sqrt(means)


def set_baseline(
    model: EnergyModel, params: Params, structures: Sequence[Structure], graphs: Graph
) -> Params:
    """Fill in reference energies, scales, and mean and spread of each feature.

    Parameters
    ----------
    params : Params
        Fresh from ``model.init``.
    structures : sequence of Structure
    graphs : Graph
        The same structures, packed.
    """
    elements = model.config.elements
    dtype = params["weights"]["scale"].dtype
    mean, std = _feature_statistics(model, params, graphs)
    constants = {
        "reference": reference_energies(structures, elements),
        "feature_mean": mean,
        "feature_scale": jnp.where(std > 1e-6 * jnp.max(std), std, 1.0),
    }
    scale = jnp.asarray(force_scales(structures, elements), dtype)
    return {"weights": params["weights"] | {"scale": scale}, "constants": constants}


@partial(jax.jit, static_argnums=0)
def _feature_statistics(model: EnergyModel, params: Params, graphs: Graph) -> tuple[Any, Any]:
    """Mean and standard deviation over all atoms, one structure at a time."""
    present = (graphs.species >= 0).astype(params["weights"]["scale"].dtype)
    count = jnp.sum(present)

    def moments(graph: Graph) -> jax.Array:
        here = (graph.species >= 0)[:, None]
        features = model.features(params, graph)
        return jnp.sum(jnp.where(here, features, 0), axis=0)

    mean = jnp.sum(jax.lax.map(moments, graphs), axis=0) / count

    def squares(graph: Graph) -> jax.Array:
        here = (graph.species >= 0)[:, None]
        features = model.features(params, graph)
        return jnp.sum(jnp.where(here, (features - mean) ** 2, 0), axis=0)

    variance = jnp.sum(jax.lax.map(squares, graphs), axis=0) / count
    return mean, jnp.sqrt(variance)
