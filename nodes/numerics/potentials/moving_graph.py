"""Graphs of a structure that moves, on the host: its neighbour list is kept for a while."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from nodes.numerics.neighbors.cells import periodic_basis
from nodes.numerics.neighbors.host import DenseList, dense_list, neighbor_edges
from nodes.numerics.potentials.config import ModelConfig
from nodes.numerics.potentials.graph import Graph, species_of
from nodes.numerics.structures import Structure

__all__ = ["MovingGraph"]


@dataclass(frozen=True)
class _List:
    """A list with a margin, and where the atoms were."""

    structure: Structure
    dense: DenseList
    species: np.ndarray
    offsets: np.ndarray


class MovingGraph:
    """Build graphs of similar structures one after the other.

    The neighbour list holds pairs up to the cutoff and a skin. It is used again until an atom has
    moved by half the skin, or anything but positions has changed; slots of pairs beyond the cutoff
    are empty. The number of slots only grows, so that few programs are compiled.

    Parameters
    ----------
    config : ModelConfig
    skin_angstrom : float
        0 builds a list for every structure.

    Attributes
    ----------
    n_builds : int
        How many lists were built.

    Raises
    ------
    ValueError
        If the skin is negative.
    """

    def __init__(self, config: ModelConfig, skin_angstrom: float) -> None:
        if not skin_angstrom >= 0.0:
            raise ValueError(f"skin_angstrom must not be negative, received {skin_angstrom}")
        self.config, self.skin_angstrom, self.n_builds = config, skin_angstrom, 0
        self._list: _List | None = None

    def graph(self, structure: Structure) -> Graph:
        """Graph without a batch axis, in JAX's float type."""
        if self._list is None or self._is_stale(self._list, structure):
            self._list = self._build(structure)
        dense = self._list.dense
        positions = structure.positions
        vectors = positions[dense.senders] - positions[:, None] + self._list.offsets
        volume = np.nan if structure.volume is None else structure.volume
        near = np.sum(vectors**2, axis=-1) < self.config.cutoff_angstrom**2
        kinds = np.where(near, self._list.species[dense.senders], -1)
        return Graph(
            species=jnp.asarray(self._list.species),
            neighbor_species=jnp.asarray(kinds),
            reverse=jnp.asarray(dense.reverse),
            vectors=jnp.asarray(vectors),
            volume=jnp.asarray(volume),
        )

    def _is_stale(self, known: _List, structure: Structure) -> bool:
        before = known.structure
        if not (
            np.array_equal(before.numbers, structure.numbers)
            and np.array_equal(before.cell, structure.cell)
            and np.array_equal(before.pbc, structure.pbc)
        ):
            return True
        moved = np.sum((structure.positions - before.positions) ** 2, axis=-1)
        return bool(4.0 * moved.max() >= self.skin_angstrom**2) and bool(moved.any())

    def _build(self, structure: Structure) -> _List:
        self.n_builds += 1
        reach = self.config.cutoff_angstrom + self.skin_angstrom
        species = species_of(structure.numbers, self.config.elements)
        edges = neighbor_edges(structure.positions, structure.cell, structure.pbc, reach)
        needed = int(np.bincount(edges.receivers, minlength=1).max(initial=0))
        capacity = max(8, -(-needed // 8) * 8)
        if self._list is not None and len(self._list.species) == len(species):
            capacity = max(capacity, self._list.dense.senders.shape[1])
        dense = dense_list(edges, len(structure), capacity)
        offsets = dense.shifts @ periodic_basis(structure.cell, structure.pbc)
        offsets[~dense.occupied] = [2.0 * reach, 0.0, 0.0]
        return _List(structure, dense, species, offsets)
