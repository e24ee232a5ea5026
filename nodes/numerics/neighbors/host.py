"""Exact neighbour lists on the host, in NumPy and float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nodes.numerics.neighbors.cells import image_ranges, image_table, periodic_basis

__all__ = ["DenseList", "Edges", "dense_list", "neighbor_edges"]

_PAIRS_PER_CHUNK = 2_000_000


class Edges(NamedTuple):
    """All directed edges of a structure, sorted by receiver, sender and shift.

    Attributes
    ----------
    receivers, senders : (n_edges,) int
    shifts : (n_edges, 3) int
        Image of the sender: the edge points from r_i to r_j + shift @ cell.
    vectors : (n_edges, 3), Angstrom
    """

    receivers: np.ndarray
    senders: np.ndarray
    shifts: np.ndarray
    vectors: np.ndarray


class DenseList(NamedTuple):
    """The same edges with a fixed number of slots per receiver.

    Attributes
    ----------
    senders : (n, capacity) int32
        An empty slot names its own receiver.
    shifts : (n, capacity, 3) int32
    reverse : (n, capacity) int32
        Flat slot (receiver * capacity + slot) of the reverse edge; an empty slot names itself.
    occupied : (n, capacity) bool
    """

    senders: np.ndarray
    shifts: np.ndarray
    reverse: np.ndarray
    occupied: np.ndarray


def neighbor_edges(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float
) -> Edges:
    """Find all pairs closer than the cutoff, with every periodic image.

    Right for cells smaller than the cutoff (an atom then neighbours its own images), for
    triclinic cells, partial periodicity, and positions outside the cell.

    Parameters
    ----------
    positions : (n, 3), Angstrom
    cell : (3, 3), Angstrom
    pbc : (3,) bool
    cutoff : float, Angstrom

    Raises
    ------
    ValueError
        If the cutoff is not positive or two atoms coincide.
    """
    if not cutoff > 0.0:
        raise ValueError(f"cutoff must be positive, received {cutoff}")
    positions = np.asarray(positions, np.float64)
    basis = periodic_basis(cell, pbc)
    images = image_table(image_ranges(basis, pbc, cutoff))
    fractional = positions @ np.linalg.inv(basis)
    n = len(positions)
    rows = max(1, _PAIRS_PER_CHUNK // (n * len(images)))
    parts: list[tuple[np.ndarray, ...]] = []
    for start in range(0, n, rows):
        i = np.arange(start, min(start + rows, n))
        nearest = np.where(pbc, -np.round(fractional[None] - fractional[i, None]), 0).astype(int)
        shifts = nearest[:, :, None] + images
        vectors = (positions[None] - positions[i, None])[:, :, None] + _cartesian(shifts, basis)
        near = np.sum(vectors**2, axis=-1) < cutoff**2
        near &= ~((i[:, None] == np.arange(n))[..., None] & ~shifts.any(axis=-1))
        receiver, sender, image = np.nonzero(near)
        pick = (receiver, sender, image)
        parts.append((i[receiver], sender, shifts[pick], vectors[pick]))
    edges = Edges(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    coincide = ~edges.vectors.any(axis=-1)
    if coincide.any():
        pair = (int(edges.receivers[coincide][0]), int(edges.senders[coincide][0]))
        raise ValueError(f"atoms must not coincide, received atoms {pair} at one place")
    return edges


def _cartesian(shifts: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """``shifts @ basis``, written out so that opposite shifts give exactly opposite vectors."""
    return shifts[..., :1] * basis[0] + shifts[..., 1:2] * basis[1] + shifts[..., 2:] * basis[2]


def dense_list(edges: Edges, n_atoms: int, capacity: int | None = None) -> DenseList:
    """Arrange edges in ``capacity`` slots per receiver.

    Parameters
    ----------
    edges : Edges
    n_atoms : int
        Number of rows; may exceed the number of atoms in ``edges``.
    capacity : int, optional
        Slots per row; by default as many as the fullest row needs.

    Raises
    ------
    ValueError
        If a row needs more slots than ``capacity``.
    """
    counts = np.bincount(edges.receivers, minlength=n_atoms)
    needed = int(counts.max(initial=0))
    capacity = max(needed, 1) if capacity is None else capacity
    if needed > capacity:
        raise ValueError(f"capacity must be at least {needed}, received {capacity}")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    slots = np.arange(len(edges.receivers)) - starts[edges.receivers]
    flat = edges.receivers * capacity + slots
    senders = np.repeat(np.arange(n_atoms, dtype=np.int32), capacity)
    shifts = np.zeros((n_atoms * capacity, 3), np.int32)
    occupied = np.zeros(n_atoms * capacity, bool)
    reverse = np.arange(n_atoms * capacity, dtype=np.int32)
    senders[flat], shifts[flat], occupied[flat] = edges.senders, edges.shifts, True
    # Sorted by (sender, receiver, -shift), edges line up with their reverses in natural order.
    keys = (*(-edges.shifts[:, ::-1].T), edges.receivers, edges.senders)
    reverse[flat[np.lexsort(keys)]] = flat
    shape = (n_atoms, capacity)
    return DenseList(
        senders.reshape(shape),
        shifts.reshape(*shape, 3),
        reverse.reshape(shape),
        occupied.reshape(shape),
    )
