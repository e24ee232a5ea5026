"""Neighbour lists of replicas: all are built when one is stale."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nodes.numerics.neighbors.device import (
    DeviceList,
    ListSpec,
    edge_vectors,
    is_stale,
    rebuild,
)
from nodes.numerics.potentials.graph import Graph

__all__ = [
    "Still", "each_replica", "graph_of", "lists_are_stale", "rebuild_lists", "still_of",
]  # fmt: skip


def each_replica(function: Callable[..., Any], *trees: Any) -> Any:
    """Apply ``function`` to each replica; one alone needs no vectorised program."""
    if jax.tree.leaves(trees)[0].shape[0] > 1:
        return jax.vmap(function)(*trees)
    single = function(*jax.tree.map(lambda leaf: leaf[0], trees))
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], single)


class Still(NamedTuple):
    """What of a graph stays the same while atoms move.

    Attributes
    ----------
    kinds : (b, n, k) int
        Species of the senders, -1 for an empty slot.
    offsets : (b, n, k, 3), Angstrom, or None
        From the place of a sender to its image; an empty slot points to twice the cutoff. None
        in a cell that changes.
    """

    kinds: jax.Array
    offsets: jax.Array | None


def still_of(
    spec: ListSpec,
    neighbors: DeviceList,
    species: jax.Array,
    cell: jax.Array,
    *,
    cell_changes: bool,
) -> Still:
    """What need not be found anew in each step."""

    def single(neighbors: DeviceList, species: jax.Array, cell: jax.Array) -> Still:
        kinds = jnp.where(neighbors.occupied, species[neighbors.senders], -1)
        nowhere = jnp.zeros((len(species), 3), cell.dtype)
        offsets = None if cell_changes else edge_vectors(spec, neighbors, nowhere, cell)
        return Still(kinds, offsets)

    return each_replica(single, neighbors, species, cell)


def graph_of(
    spec: ListSpec,
    neighbors: DeviceList,
    species: jax.Array,
    still: Still,
    positions: jax.Array,
    cell: jax.Array,
) -> Graph:
    """Graph of all replicas; their volumes are not filled in."""

    def single(
        neighbors: DeviceList,
        species: jax.Array,
        still: Still,
        positions: jax.Array,
        cell: jax.Array,
    ) -> Graph:
        if still.offsets is None:
            vectors = edge_vectors(spec, neighbors, positions, cell)
        else:
            # An empty slot names its own receiver.
            vectors = positions[neighbors.senders] - positions[:, None] + still.offsets
        parts = {
            "species": species,
            "neighbor_species": still.kinds,
            "senders": neighbors.senders,
            "reverse": neighbors.reverse,
            "vectors": vectors,
            "volume": jnp.full((), jnp.nan, positions.dtype),
        }
        return Graph(**{field.name: parts[field.name] for field in dataclasses.fields(Graph)})

    return each_replica(single, neighbors, species, still, positions, cell)


def lists_are_stale(
    spec: ListSpec,
    neighbors: DeviceList,
    present: jax.Array,
    positions: jax.Array,
    cell: jax.Array,
    *,
    cell_changes: bool,
) -> jax.Array:
    """Whether pairs within the cutoff may be missing from each list, shape (b,)."""

    def single(
        neighbors: DeviceList, present: jax.Array, positions: jax.Array, cell: jax.Array
    ) -> jax.Array:
        there = present[:, None]
        known = dataclasses.replace(neighbors, origin=jnp.where(there, neighbors.origin, 0.0))
        positions = jnp.where(there, positions, 0.0)
        return is_stale(spec, known, positions, cell if cell_changes else None)

    return each_replica(single, neighbors, present, positions, cell)


def rebuild_lists(
    spec: ListSpec, present: jax.Array, positions: jax.Array, cell: jax.Array
) -> tuple[DeviceList, jax.Array]:
    """Lists of all replicas, and the slots that each needs, shape (b,)."""

    def single(
        present: jax.Array, positions: jax.Array, cell: jax.Array
    ) -> tuple[DeviceList, jax.Array]:
        if spec.grid is None:
            # Atoms that only fill up a batch are nowhere, and near nothing.
            positions = jnp.where(present[:, None], positions, jnp.nan)
        return rebuild(spec, positions, cell)

    return each_replica(single, present, positions, cell)
