"""A neighbour list that lives in a compiled loop, at a cost proportional to the atoms.

The list has a skin: it holds all pairs closer than cutoff + skin and stays complete until some
atom has moved by skin / 2, not counting what it moved along with the cell. A rebuild compares
the atoms of adjacent bins, or all pairs where that is less work. Slots per atom, atoms per bin
and bins per cell are fixed at compile time. `rebuild` returns a number that exceeds the slots
whenever any of these was too small, and a caller who sees that must start again from
`from_structure` with the positions and the cell of that time::

    spec, neighbors = from_structure(positions, cell, pbc, cutoff=5.0, skin=0.5)
    # within the compiled loop, once per step, with the basis of that step:
    stale = is_stale(spec, neighbors, positions, basis)
    neighbors, needed = lax.cond(stale, lambda: rebuild(spec, positions, basis), lambda: (..., 0))
    inner, vectors, _ = compact(spec, neighbors, edge_vectors(...), n_slots)
    # on the host, where needed > spec.capacity:
    spec, neighbors = from_structure(..., min_capacity=needed)

Replicas share a spec (`from_replicas`) and are mapped by ``jax.vmap``; decide outside of the map
whether any of them is stale, since a mapped ``cond`` does both. To go on with a stored list bit
by bit, store its spec as well (`ListSpec.to_record`): the order of the slots follows the bins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.neighbors.candidates import all_pairs, binned_pairs, cartesian, inverse
from nodes.numerics.neighbors.cells import image_ranges, image_table, periodic_basis
from nodes.numerics.neighbors.grid import Grid, choose_grid
from nodes.numerics.neighbors.host import Edges, dense_list, neighbor_edges
from nodes.numerics.neighbors.slots import mark

__all__ = [
    "DeviceList", "ListSpec", "compact", "edge_vectors", "from_replicas", "from_structure",
    "is_stale", "list_spec", "rebuild",
]  # fmt: skip

_SPARE = 1.02
_MOTION_ANGSTROM = 0.25
_DEVIATIONS = 2.5


@dataclass(frozen=True)
class ListSpec:
    """What is fixed at compile time.

    Parameters
    ----------
    cutoff, skin : float, Angstrom
    capacity : int
        Slots per atom.
    pbc : tuple of 3 bool
    images : tuple of 3 int
        Images to either side of the nearest one (see `cells.image_ranges`).
    grid : Grid, optional
        Bins; by default a rebuild compares all pairs.
    """

    cutoff: float
    skin: float
    capacity: int
    pbc: tuple[bool, bool, bool]
    images: tuple[int, int, int]
    grid: Grid | None = None

    @property
    def reach(self) -> float:
        """Cutoff and skin."""
        return self.cutoff + self.skin

    def to_record(self) -> dict[str, Any]:
        """Plain numbers and lists, which JSON can hold."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ListSpec:
        """Spec from what `to_record` gave, also by way of JSON."""
        known = _with_tuples(record)
        if known["grid"] is not None:
            known["grid"] = Grid(**_with_tuples(known["grid"]))
        return cls(**known)


def _with_tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["senders", "shifts", "reverse", "occupied", "origin", "basis"],
    meta_fields=[],
)
@dataclass(frozen=True)
class DeviceList:
    """Slots as in `host.DenseList`, and what they were built from.

    Attributes
    ----------
    senders, reverse : (n, capacity) int32
    shifts : (n, capacity, 3) int32
    occupied : (n, capacity) bool
    origin : (n, 3), Angstrom
    basis : (3, 3), Angstrom
    """

    senders: jax.Array
    shifts: jax.Array
    reverse: jax.Array
    occupied: jax.Array
    origin: jax.Array
    basis: jax.Array


def list_spec(
    cell: np.ndarray,
    pbc: np.ndarray | Sequence[bool],
    *,
    cutoff: float,
    skin: float,
    capacity: int,
    positions: np.ndarray | None = None,
) -> ListSpec:
    """Spec for a given cell (3, 3) in Angstrom and number of slots.

    Parameters
    ----------
    positions : (n, 3) or (n_replicas, n, 3), Angstrom, optional
        Where given, bins are used if they are less work than all pairs.
    """
    basis, reach = periodic_basis(cell, pbc), cutoff + skin
    images = image_ranges(basis, pbc, _SPARE * reach)
    x, y, z = (bool(periodic) for periodic in pbc)
    grid = None
    if positions is not None:
        grid = choose_grid(positions, basis, np.asarray(pbc, bool), reach)
        # To find the nearest image costs as much again as to compare.
        all_pairs_cost = 2 * np.shape(positions)[-2] ** 2 * len(image_table(images))
        grid = grid if grid.cost < all_pairs_cost else None
    return ListSpec(cutoff, skin, capacity, (x, y, z), images, grid)


def from_structure(
    positions: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray | Sequence[bool],
    *,
    cutoff: float,
    skin: float,
    min_capacity: int = 0,
) -> tuple[ListSpec, DeviceList]:
    """Build the list on the host, with room to spare, and the spec for later rebuilds.

    The capacity is what is needed now, or what is to be expected when distances change by
    0.25 Angstrom and the fullest row is 2.5 standard deviations above its mean; at least
    ``min_capacity``; rounded up to a multiple of 4. Bins are chosen likewise (`choose_grid`).
    """
    spec, replicas = from_replicas(
        np.asarray(positions)[None], cell, pbc, cutoff=cutoff, skin=skin, min_capacity=min_capacity
    )
    return spec, jax.tree.map(lambda leaf: leaf[0], replicas)


def from_replicas(
    positions: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray | Sequence[bool],
    *,
    cutoff: float,
    skin: float,
    min_capacity: int = 0,
) -> tuple[ListSpec, DeviceList]:
    """Lists of replicas (n_replicas, n, 3) with a leading axis, and the spec that they share."""
    positions, reach = np.asarray(positions), cutoff + skin
    wide = [neighbor_edges(p, cell, pbc, reach + 2 * _MOTION_ANGSTROM) for p in positions]
    needed = max(_slots(edges, positions.shape[1], reach) for edges in wide)
    capacity = -(-max(needed, min_capacity, 1) // 4) * 4
    spec = list_spec(cell, pbc, cutoff=cutoff, skin=skin, capacity=capacity, positions=positions)
    lists = [dense_list(edges.within(reach), positions.shape[1], capacity) for edges in wide]
    dense = [jnp.asarray(np.stack(columns)) for columns in zip(*lists, strict=True)]
    origin = jnp.asarray(positions)
    basis = jnp.asarray(periodic_basis(cell, pbc), origin.dtype)
    bases = jnp.broadcast_to(basis, (len(positions), 3, 3))
    senders, shifts, reverse, occupied = dense
    return spec, DeviceList(senders, shifts, reverse, occupied, origin, bases)


def _slots(edges: Edges, n_atoms: int, reach: float) -> int:
    """Slots that the fullest row needs, or is to be expected to need."""
    lengths = np.linalg.norm(edges.vectors, axis=-1)
    inside = 1.0 / (1.0 + np.exp((lengths - reach) * 1.702 / _MOTION_ANGSTROM))
    mean = np.bincount(edges.receivers, inside, minlength=n_atoms)
    variance = np.bincount(edges.receivers, inside * (1.0 - inside), minlength=n_atoms)
    now = np.bincount(edges.receivers, lengths < reach, minlength=n_atoms)
    return math.ceil(max(now.max(), np.max(mean + _DEVIATIONS * np.sqrt(variance))))


def is_stale(
    spec: ListSpec,
    neighbors: DeviceList,
    positions: jax.Array,
    basis: jax.Array | None = None,
) -> jax.Array:
    """Whether some pair may have come within the cutoff that is not in the list.

    A pair that was beyond the reach R is now farther apart than s R - 2 d, where s is the
    smallest stretch of the cell along any direction and d the largest distance of an atom from
    the place to which the cell would have carried it.

    Parameters
    ----------
    positions : (n, 3), Angstrom
    basis : (3, 3), Angstrom, optional
        The present one; by default that of the list. A bound from below stands in for s, which
        is exact for cells that are strained along orthogonal axes, or turned.
    """
    if basis is None:
        moved = positions - neighbors.origin
        return jnp.max(jnp.sum(moved**2, axis=-1)) > (0.5 * spec.skin) ** 2
    change = jnp.matmul(inverse(neighbors.basis), basis - neighbors.basis, precision="highest")
    carried = neighbors.origin + jnp.matmul(neighbors.origin, change, precision="highest")
    moved = jnp.sqrt(jnp.max(jnp.sum((positions - carried) ** 2, axis=-1)))
    deformation = jnp.eye(3, dtype=change.dtype) + change
    metric = jnp.sum(deformation[:, None] * deformation[None], axis=-1)
    smallest = jnp.min(2.0 * jnp.diagonal(metric) - jnp.sum(jnp.abs(metric), axis=-1))
    stretch = jnp.sqrt(jnp.maximum(smallest, 0.0))
    return spec.skin - spec.reach * (1.0 - stretch) < 2.0 * moved


def edge_vectors(
    spec: ListSpec, neighbors: DeviceList, positions: jax.Array, basis: jax.Array
) -> jax.Array:
    """Edge vectors (n, capacity, 3) in Angstrom; an empty slot points to twice the cutoff."""
    vectors = positions[neighbors.senders] - positions[:, None]
    vectors += cartesian(neighbors.shifts, basis)
    nowhere = jnp.array([2.0 * spec.cutoff, 0.0, 0.0], positions.dtype)
    return jnp.where(neighbors.occupied[..., None], vectors, nowhere)


def rebuild(spec: ListSpec, positions: jax.Array, basis: jax.Array) -> tuple[DeviceList, jax.Array]:
    """Build the list anew from positions (n, 3), which need not lie inside the cell.

    Returns
    -------
    DeviceList
        Incomplete if the number exceeds ``spec.capacity``.
    () int32
        Slots that the fullest row needs; more than ``spec.capacity`` also where a bin was too
        full, or the cell has shrunk so far that the bins are too narrow.
    """
    if spec.grid is None:
        candidates = all_pairs(positions, basis, spec.pbc, spec.images, spec.reach)
    else:
        candidates = binned_pairs(positions, basis, spec.pbc, spec.grid, spec.reach)
    marked, rows = candidates.marked, candidates.rows
    counts = marked.counts()[rows]
    slots = jnp.arange(spec.capacity, dtype=jnp.int32)
    occupied = slots < counts[:, None]
    # Looked up, not divided: a compiler would divide again wherever the quotient is used.
    table = np.indices((candidates.n_offsets, candidates.width), np.int32).reshape(2, -1)
    columns = jnp.minimum(marked.columns(rows, spec.capacity), table.shape[1] - 1)
    offsets, places = (jnp.asarray(numbers)[columns] for numbers in table)
    found = candidates.find(offsets, places)
    opposite = (candidates.n_offsets - 1 - offsets) * candidates.width + candidates.places[:, None]
    slot = jnp.clip(marked.ranks(found.rows, opposite), 0, spec.capacity - 1)
    atoms = jnp.arange(len(positions), dtype=jnp.int32)[:, None]
    rebuilt = DeviceList(
        jnp.where(occupied, found.senders, atoms),
        jnp.where(occupied[..., None], found.shifts, 0),
        jnp.where(occupied, found.senders * spec.capacity + slot, atoms * spec.capacity + slots),
        occupied,
        positions,
        basis,
    )
    needed = jnp.max(counts)
    more = jnp.maximum(needed, spec.capacity + 1)
    return rebuilt, jnp.where(candidates.too_small, more, needed)


def compact(
    spec: ListSpec, neighbors: DeviceList, vectors: jax.Array, capacity: int
) -> tuple[DeviceList, jax.Array, jax.Array]:
    """Keep the slots within the cutoff: what a potential that pays per slot should see.

    Parameters
    ----------
    vectors : (n, slots, 3), Angstrom
        From `edge_vectors`.
    capacity : int
        Slots per atom to keep.

    Returns
    -------
    DeviceList
        With reverse slots of its own.
    (n, capacity, 3), Angstrom
        Its edge vectors; an empty slot points to twice the cutoff.
    () int32
        Slots that the fullest row needs; the list is incomplete if it exceeds ``capacity``.
    """
    n, wide = neighbors.senders.shape
    near = neighbors.occupied & (jnp.sum(vectors**2, axis=-1) < spec.cutoff**2)
    marked = mark(near)
    rows = jnp.arange(n, dtype=jnp.int32)
    counts, slots = marked.counts(), jnp.arange(capacity, dtype=jnp.int32)
    occupied = slots < counts[:, None]
    kept = rows[:, None] * wide + jnp.minimum(marked.columns(rows, capacity), wide - 1)
    senders = jnp.where(occupied, neighbors.senders.reshape(-1)[kept], rows[:, None])
    reverse = neighbors.reverse.reshape(-1)[kept]
    slot = jnp.clip(marked.ranks(senders, reverse % wide), 0, capacity - 1)
    inner = DeviceList(
        senders,
        jnp.where(occupied[..., None], neighbors.shifts.reshape(-1, 3)[kept], 0),
        jnp.where(occupied, senders * capacity + slot, rows[:, None] * capacity + slots),
        occupied,
        neighbors.origin,
        neighbors.basis,
    )
    nowhere = jnp.array([2.0 * spec.cutoff, 0.0, 0.0], vectors.dtype)
    vectors = jnp.where(occupied[..., None], vectors.reshape(-1, 3)[kept], nowhere)
    return inner, vectors, jnp.max(counts)
