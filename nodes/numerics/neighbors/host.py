"""Exact neighbour lists on the host, in NumPy and float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from nodes.numerics.neighbors.cells import periodic_basis, plane_distances

__all__ = ["DenseList", "Edges", "dense_list", "neighbor_edges"]


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

    def within(self, cutoff: float) -> Edges:
        """The edges shorter than a smaller cutoff, in Angstrom."""
        near = np.flatnonzero(np.einsum("ij,ij->i", self.vectors, self.vectors) < cutoff**2)
        return Edges(*(column.take(near, axis=0) for column in self))


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
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray | Sequence[bool], cutoff: float
) -> Edges:
    """Find all pairs closer than the cutoff, with every periodic image.

    Right for cells smaller than the cutoff (an atom then neighbours its own images), for
    triclinic cells, partial periodicity, and positions outside the cell. The atoms of one cell
    are compared with those and with the images around it that a k-d tree finds, at a cost
    proportional to the number of atoms.

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
    positions, pbc = np.asarray(positions, np.float64), np.asarray(pbc, bool)
    basis = periodic_basis(cell, pbc)
    fractional = positions @ np.linalg.inv(basis)
    home = np.where(pbc, np.floor(fractional), 0.0)
    atoms, images = _around(fractional - home, pbc, cutoff / plane_distances(basis))
    # Opposite shifts give exactly opposite vectors: each pair is near from both sides or neither.
    wrapped = positions - _cartesian(home, basis)
    starts, ends = wrapped[atoms], _cartesian(images, basis)
    i, k = _close(wrapped, starts + ends, cutoff * (1.0 + 1e-6))
    vectors = starts.take(k, axis=0) - wrapped.take(i, axis=0) + ends.take(k, axis=0)
    squares = np.einsum("ij,ij->i", vectors, vectors)
    itself = (atoms[k] == i) & ~np.any(images, axis=-1)[k]
    near = np.flatnonzero((squares < cutoff**2) & ~itself)
    i, k = i[near], k[near]
    shifts = (images - home[atoms]).take(k, axis=0) + home.take(i, axis=0)
    coincide = squares[near] == 0.0
    if coincide.any():
        pair = (int(i[coincide][0]), int(atoms[k[coincide][0]]))
        raise ValueError(f"atoms must not coincide, received atoms {pair} at one place")
    return Edges(i, atoms[k], shifts.astype(np.int64), vectors.take(near, axis=0))


def _around(
    fractional: np.ndarray, pbc: np.ndarray, reach: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Atoms and images (m, 3) no farther than ``reach`` from the cell, in fractional units.

    Sorted by atom and image.
    """
    reach = reach + 1e-6
    ranges = [int(np.ceil(r)) if periodic else 0 for r, periodic in zip(reach, pbc, strict=True)]
    near = np.ones((len(fractional), 1, 1, 1), bool)
    for axis, m in enumerate(ranges):
        place = fractional[:, axis, None] + np.arange(-m, m + 1)
        inside = (place > -reach[axis]) & (place < 1.0 + reach[axis]) | ~pbc[axis]
        near = near & np.expand_dims(inside, [a for a in (1, 2, 3) if a != axis + 1])
    atoms, *images = np.nonzero(near)
    return atoms, np.stack(images, axis=-1) - np.array(ranges)


def _close(centers: np.ndarray, points: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Indices of centers and points that are close, in this order; perhaps a few that are not."""
    # A tree is asked but once: the balance of one that is asked often would cost more.
    trees = [KDTree(p, balanced_tree=False, compact_nodes=False) for p in (centers, points)]
    found = trees[0].sparse_distance_matrix(trees[1], radius, output_type="ndarray")
    i, k = np.divmod(np.sort(found["i"] * len(points) + found["j"]), len(points))
    return i, k


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
    reverse[flat] = flat[_reverses(edges, n_atoms)]
    shape = (n_atoms, capacity)
    return DenseList(
        senders.reshape(shape),
        shifts.reshape(*shape, 3),
        reverse.reshape(shape),
        occupied.reshape(shape),
    )


def _reverses(edges: Edges, n_atoms: int) -> np.ndarray:
    """Index of the reverse of each edge.

    The edges of a pair stand together, sorted by shift; those of the opposite pair are as many,
    and their shifts run the other way.
    """
    pairs = edges.receivers * n_atoms + edges.senders
    first = np.flatnonzero(np.diff(pairs, prepend=-1))
    sizes = np.diff(first, append=len(pairs))
    starts, sizes = np.repeat(first, sizes), np.repeat(sizes, sizes)
    rank = np.arange(len(pairs)) - starts
    opposite = edges.senders * n_atoms + edges.receivers
    order = np.argsort(opposite * (rank.max(initial=0) + 1) + rank)
    return order[starts + sizes - 1 - rank]
