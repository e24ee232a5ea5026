"""Graph: what a model sees of a structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.neighbors.host import dense_list, neighbor_edges
from nodes.numerics.potentials.config import ModelConfig
from nodes.numerics.structures import Structure

__all__ = [
    "Graph", "build_graph", "build_graphs", "edge_direction", "forces_of", "species_of",
    "virial_of", "with_batch_axis",
]  # fmt: skip


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["species", "neighbor_species", "reverse", "vectors", "volume"],
    meta_fields=[],
)
@dataclass(frozen=True)
class Graph:
    """Species and edge vectors of one structure, or of a batch with a leading axis.

    Positions do not occur: energies depend on edge vectors alone, hence not on the origin.

    Attributes
    ----------
    species : (n,) int
        Index into ``ModelConfig.elements``; -1 marks padding.
    neighbor_species : (n, k) int
        The same of the senders; -1 marks an empty slot.
    reverse : (n, k) int
        Flat slot of the reverse edge within the structure; an empty slot names itself.
    vectors : (n, k, 3), Angstrom
        From the receiver to the sender; empty slots point beyond the cutoff.
    volume : () Angstrom^3
        NaN unless periodic in three directions.
    """

    species: jax.Array
    neighbor_species: jax.Array
    reverse: jax.Array
    vectors: jax.Array
    volume: jax.Array


def species_of(numbers: np.ndarray, elements: Sequence[int]) -> np.ndarray:
    """Indices into ``elements``, shape (n,).

    Raises
    ------
    ValueError
        If an atomic number is not among the elements.
    """
    known = np.asarray(elements)
    missing = sorted(set(np.asarray(numbers).tolist()) - set(known.tolist()))
    if missing:
        raise ValueError(
            f"structures must hold only the elements {known.tolist()} of the model, received "
            f"{missing}; name them in ModelConfig.elements and fit again"
        )
    return np.searchsorted(known, numbers).astype(np.int32)


def build_graph(structure: Structure, config: ModelConfig) -> Graph:
    """Graph of one structure, without a batch axis; slots are rounded up to a multiple of 8."""
    batch = build_graphs([structure], config)
    return jax.tree.map(lambda leaf: leaf[0], batch)


def build_graphs(
    structures: Sequence[Structure],
    config: ModelConfig,
    *,
    n_atoms: int | None = None,
    capacity: int | None = None,
) -> Graph:
    """Graphs of structures, padded to a common size and stacked along a leading axis.

    Parameters
    ----------
    structures : sequence of Structure
    config : ModelConfig
    n_atoms, capacity : int, optional
        Atoms and slots to pad to; by default as many as needed, slots rounded up to a multiple
        of 8 so that similar structures share one compiled program.

    Raises
    ------
    ValueError
        If there is no structure, one is too large for the padding, or an element is unknown.
    """
    if not structures:
        raise ValueError("structures must hold at least one structure, received none")
    cutoff = config.cutoff_angstrom
    edges = [neighbor_edges(s.positions, s.cell, s.pbc, cutoff) for s in structures]
    largest = max(len(s) for s in structures)
    n_atoms = largest if n_atoms is None else n_atoms
    if n_atoms < largest:
        raise ValueError(f"n_atoms must be at least {largest}, received {n_atoms}")
    if capacity is None:
        needed = max(int(np.bincount(e.receivers, minlength=1).max()) for e in edges)
        capacity = max(8, -(-needed // 8) * 8)
    shape = (len(structures), n_atoms, capacity)
    species = np.full(shape[:2], -1, np.int32)
    neighbor_species = np.full(shape, -1, np.int32)
    reverse = np.zeros(shape, np.int32)
    vectors = np.zeros((*shape, 3))
    vectors[..., 0] = 2.0 * cutoff
    for b, (structure, found) in enumerate(zip(structures, edges, strict=True)):
        species[b, : len(structure)] = species_of(structure.numbers, config.elements)
        dense = dense_list(found, n_atoms, capacity)
        reverse[b] = dense.reverse
        neighbor_species[b] = np.where(dense.occupied, species[b][dense.senders], -1)
        vectors[b][dense.occupied] = found.vectors
    volumes = [np.nan if s.volume is None else s.volume for s in structures]
    arrays = (species, neighbor_species, reverse, vectors, np.array(volumes))
    return Graph(*(jnp.asarray(array) for array in arrays))


def forces_of(gradient: jax.Array, graph: Graph) -> jax.Array:
    """Forces (b, n, 3) from the energy's gradient by edge vectors (b, n, k, 3).

    Atom i pulls on its own edges and is pulled by their reverses: F_i = sum_k (g_ik - g_rev(ik)).
    """
    flat = gradient.reshape(gradient.shape[0], -1, 3)
    slots = graph.reverse.reshape(flat.shape[0], -1, 1)
    reverse = jnp.take_along_axis(flat, slots, axis=1, mode="promise_in_bounds")
    return jnp.sum(gradient - reverse.reshape(gradient.shape), axis=2)


def virial_of(gradient: jax.Array, graph: Graph) -> jax.Array:
    """Symmetric virial (b, 3, 3) from the energy's gradient by edge vectors (b, n, k, 3).

    The sums are written out: a matrix product would first bring its operands into another order.
    """
    entries = {
        (i, j): jnp.sum(gradient[..., i] * graph.vectors[..., j], axis=(1, 2))
        for i in range(3)
        for j in range(3)
    }
    rows = [
        jnp.stack([0.5 * (entries[i, j] + entries[j, i]) for j in range(3)], axis=-1)
        for i in range(3)
    ]
    return jnp.stack(rows, axis=-2)


def edge_direction(graph: Graph, forces: jax.Array, virial: jax.Array | None = None) -> jax.Array:
    """Transpose of the map from a gradient by edge vectors to forces and virial.

    Parameters
    ----------
    forces : (b, n, 3)
        Cotangent of the forces.
    virial : (b, 3, 3), optional
        Cotangent of the virial.

    Returns
    -------
    (b, n, k, 3)
    """
    b, n, k = graph.reverse.shape
    senders = (graph.reverse // k).reshape(b, n * k, 1)
    of_sender = jnp.take_along_axis(forces, senders, axis=1, mode="promise_in_bounds")
    direction = forces[:, :, None] - of_sender.reshape(b, n, k, 3)
    if virial is not None:
        symmetric = 0.5 * (virial + jnp.swapaxes(virial, -1, -2))
        direction += jnp.einsum("bnkj,bij->bnki", graph.vectors, symmetric, precision="highest")
    return direction


def with_batch_axis(graph: Graph) -> Graph:
    """Add a leading axis of length 1, if there is none."""
    return graph if graph.species.ndim == 2 else jax.tree.map(lambda leaf: leaf[None], graph)
