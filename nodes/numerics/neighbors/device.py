"""A neighbour list that lives in a compiled loop.

The list has a skin: it holds all pairs closer than cutoff + skin and stays complete until some
atom has moved by skin / 2. A rebuild compares all pairs with all images that can matter, which
is one image per pair when the cell is wider than twice the reach. The number of slots is fixed
at compile time; `rebuild` returns how many were needed, and a caller who sees more than there
are must start again from `from_structure` with a larger capacity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.neighbors.cells import image_ranges, image_table, periodic_basis
from nodes.numerics.neighbors.host import dense_list, neighbor_edges

__all__ = [
    "DeviceList", "ListSpec", "edge_vectors", "from_structure", "is_stale", "list_spec", "rebuild",
]  # fmt: skip


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
    """

    cutoff: float
    skin: float
    capacity: int
    pbc: tuple[bool, bool, bool]
    images: tuple[int, int, int]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["senders", "shifts", "reverse", "occupied", "origin"],
    meta_fields=[],
)
@dataclass(frozen=True)
class DeviceList:
    """Slots as in `host.DenseList`, and the positions ``origin`` (n, 3) they were built from."""

    senders: jax.Array
    shifts: jax.Array
    reverse: jax.Array
    occupied: jax.Array
    origin: jax.Array


def list_spec(
    cell: np.ndarray, pbc: np.ndarray, *, cutoff: float, skin: float, capacity: int
) -> ListSpec:
    """Spec for a given cell (3, 3) in Angstrom and number of slots."""
    images = image_ranges(periodic_basis(cell, pbc), pbc, cutoff + skin)
    x, y, z = (bool(periodic) for periodic in pbc)
    return ListSpec(cutoff, skin, capacity, (x, y, z), images)


def from_structure(
    positions: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray,
    *,
    cutoff: float,
    skin: float,
    min_capacity: int = 0,
) -> tuple[ListSpec, DeviceList]:
    """Build the list on the host, with room to spare, and the spec for later rebuilds.

    The capacity is 1.2 times what is needed now, at least ``min_capacity``, rounded up to a
    multiple of 8.
    """
    edges = neighbor_edges(positions, cell, pbc, cutoff + skin)
    needed = int(np.bincount(edges.receivers, minlength=1).max())
    capacity = -(-max(int(1.2 * needed) + 1, min_capacity) // 8) * 8
    dense = dense_list(edges, len(positions), capacity)
    spec = list_spec(cell, pbc, cutoff=cutoff, skin=skin, capacity=capacity)
    return spec, DeviceList(*(jnp.asarray(a) for a in dense), origin=jnp.asarray(positions))


def is_stale(spec: ListSpec, neighbors: DeviceList, positions: jax.Array) -> jax.Array:
    """Whether some atom has moved by half the skin since the list was built."""
    moved = jnp.max(jnp.sum((positions - neighbors.origin) ** 2, axis=-1))
    return moved > (0.5 * spec.skin) ** 2


def edge_vectors(
    spec: ListSpec, neighbors: DeviceList, positions: jax.Array, basis: jax.Array
) -> jax.Array:
    """Edge vectors (n, capacity, 3) in Angstrom; an empty slot points to twice the cutoff."""
    vectors = positions[neighbors.senders] - positions[:, None]
    vectors += _cartesian(neighbors.shifts, basis)
    nowhere = jnp.array([2.0 * spec.cutoff, 0.0, 0.0], positions.dtype)
    return jnp.where(neighbors.occupied[..., None], vectors, nowhere)


def rebuild(spec: ListSpec, positions: jax.Array, basis: jax.Array) -> tuple[DeviceList, jax.Array]:
    """Build the list anew from positions (n, 3), which need not lie inside the cell.

    Returns
    -------
    DeviceList
        Incomplete where a row had too few slots.
    () int
        Slots that the fullest row needs; compare with ``spec.capacity``.
    """
    n = len(positions)
    table = image_table(spec.images)
    nearest, near = _near(spec, positions, basis, table)
    count = jnp.cumsum(near.reshape(n, -1), axis=1, dtype=jnp.int32)
    # The k-th neighbour of a row is the first column at which k + 1 have been counted.
    wanted = jnp.arange(1, spec.capacity + 1)
    columns = jax.vmap(lambda row: jnp.searchsorted(row, wanted))(count)
    occupied = wanted <= count[:, -1:]
    receivers = jnp.arange(n)[:, None]
    senders = jnp.where(occupied, columns // len(table), receivers)
    image = jnp.where(occupied, columns % len(table), 0)
    shifts = nearest[receivers, senders] + jnp.asarray(table, jnp.int32)[image]
    # The reverse edge comes from the opposite image, which is at the mirrored place of the table.
    mirrored = receivers * len(table) + (len(table) - 1 - image)
    slot = jnp.clip(count[senders, mirrored] - 1, 0, spec.capacity - 1)
    itself = receivers * spec.capacity + jnp.arange(spec.capacity)
    reverse = jnp.where(occupied, senders * spec.capacity + slot, itself)
    rebuilt = DeviceList(
        senders.astype(jnp.int32),
        jnp.where(occupied[..., None], shifts, 0).astype(jnp.int32),
        reverse.astype(jnp.int32),
        occupied,
        positions,
    )
    return rebuilt, jnp.max(count[:, -1])


def _near(
    spec: ListSpec, positions: jax.Array, basis: jax.Array, table: np.ndarray
) -> tuple[jax.Array, jax.Array]:
    """Nearest shifts (n, n, 3), and which of the images around them are within reach."""
    fractional = positions @ jnp.linalg.inv(basis)
    difference = jnp.round(fractional[None] - fractional[:, None])
    nearest = jnp.where(jnp.array(spec.pbc), -difference, 0).astype(jnp.int32)
    vectors = positions[None] - positions[:, None] + _cartesian(nearest, basis)
    images = _cartesian(jnp.asarray(table, jnp.int32), basis)
    near = jnp.sum((vectors[:, :, None] + images) ** 2, -1) < (spec.cutoff + spec.skin) ** 2
    home = jnp.eye(len(positions), dtype=bool)[..., None] & ~jnp.asarray(table.any(axis=-1))
    return nearest, near & ~home


def _cartesian(shifts: jax.Array, basis: jax.Array) -> jax.Array:
    """``shifts @ basis``, written out so that opposite shifts give exactly opposite vectors."""
    shifts = shifts.astype(basis.dtype)
    return shifts[..., :1] * basis[0] + shifts[..., 1:2] * basis[1] + shifts[..., 2:] * basis[2]
