"""Labelled structures as padded arrays on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.potentials.config import ModelConfig
from nodes.numerics.potentials.graph import Graph, build_graphs
from nodes.numerics.structures import Structure

__all__ = ["Dataset", "label", "pack"]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["graph", "energy", "forces", "energy_known", "forces_known"],
    meta_fields=[],
)
@dataclass(frozen=True)
class Dataset:
    """m structures, padded to n atoms.

    Attributes
    ----------
    graph : Graph
        With a leading axis of length m.
    energy : (m,), eV
        Less reference energies; 0 where unknown.
    forces : (m, n, 3), eV/Angstrom
    energy_known, forces_known : (m,)
        1 where there is a label, else 0.
    """

    graph: Graph
    energy: jax.Array
    forces: jax.Array
    energy_known: jax.Array
    forces_known: jax.Array

    def __len__(self) -> int:
        return self.energy.shape[0]


def pack(structures: Sequence[Structure], config: ModelConfig) -> Graph:
    """Graphs of all structures, padded to the largest."""
    return build_graphs(structures, config)


def label(graph: Graph, structures: Sequence[Structure], reference: np.ndarray) -> Dataset:
    """Add labels; reference energies (n_elements,) in eV are taken off here, in float64."""
    species = np.asarray(graph.species)
    padded = np.append(np.asarray(reference, np.float64), 0.0)
    offset = np.sum(padded[species], axis=1)
    forces = np.zeros((*species.shape, 3))
    energy = np.zeros(len(structures))
    for b, structure in enumerate(structures):
        if structure.energy is not None:
            energy[b] = structure.energy - offset[b]
        if structure.forces is not None:
            forces[b, : len(structure)] = structure.forces
    dtype = jnp.result_type(float)
    return Dataset(
        graph,
        jnp.asarray(energy, dtype),
        jnp.asarray(forces, dtype),
        jnp.array([s.energy is not None for s in structures], dtype),
        jnp.array([s.forces is not None for s in structures], dtype),
    )
