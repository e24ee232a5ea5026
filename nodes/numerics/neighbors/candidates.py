"""Pairs to compare, inside a compiled program: all of them, or those in adjacent bins.

Either way there is a table with one row per atom, or per place in a bin, and one column per
offset (an image, or an adjacent bin) and place there. Offsets are listed such that the opposite
of the k-th is the k-th from the end: the reverse of an edge is found by arithmetic alone.

Coordinates are handled one by one, with whole words of columns in the last dimension: compilers
then make vector instructions of the comparisons.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.neighbors.cells import image_table
from nodes.numerics.neighbors.grid import Grid
from nodes.numerics.neighbors.slots import WORD, MarkedColumns, mark

__all__ = ["Candidates", "Found", "all_pairs", "binned_pairs", "cartesian", "inverse"]

_FAR = 1e15
_ROUNDING = 1.0 + 1e-5


class Found(NamedTuple):
    """Senders (n, k), the rows of the table that are theirs (n, k), and their shifts (n, k, 3)."""

    senders: jax.Array
    rows: jax.Array
    shifts: jax.Array


class Candidates(NamedTuple):
    """Which pairs are near.

    Attributes
    ----------
    marked : MarkedColumns
        Column ``offset * width + place`` of a row.
    rows, places : (n,) int
        Where each atom is.
    n_offsets, width : int
    find : function
        From offsets and places (n, k) in the rows of all atoms to `Found`; where there is no
        mark it may give any atom.
    too_small : () bool
        Whether the program that was compiled may have missed pairs.
    """

    marked: MarkedColumns
    rows: jax.Array
    places: jax.Array
    n_offsets: int
    width: int
    find: partial[Found]
    too_small: jax.Array


def all_pairs(
    positions: jax.Array,
    basis: jax.Array,
    pbc: tuple[bool, bool, bool],
    images: tuple[int, int, int],
    reach: float,
) -> Candidates:
    """Compare all pairs of atoms, with ``images`` to either side of the nearest one.

    Parameters
    ----------
    positions : (n, 3), Angstrom
    basis : (3, 3), Angstrom
    pbc : tuple of 3 bool
    images : tuple of 3 int
        See `cells.image_ranges`.
    reach : float, Angstrom
    """
    n, table = len(positions), image_table(images)
    width = -(-n // WORD) * WORD
    fractional = _fractional(positions, basis)
    atoms = jnp.arange(n, dtype=jnp.int32)
    padding = ((0, width - n), (0, 0))
    nearest = _nearest(jnp.pad(fractional, padding).T, fractional.T[..., None], pbc)
    there = jnp.pad(positions, padding, constant_values=_FAR)
    squares = jnp.zeros((), positions.dtype)
    ends = cartesian(jnp.asarray(table, jnp.int32), basis)
    for axis in range(3):
        vectors = there[:, axis] - positions[:, axis, None]
        vectors += sum(shift * basis[a, axis] for a, shift in enumerate(nearest) if pbc[a])
        squares = squares + (vectors[:, None] + ends[:, axis, None]) ** 2
    home = jnp.asarray(~table.any(axis=-1))[:, None]
    itself = home & (jnp.arange(width, dtype=jnp.int32) == atoms[:, None])[:, None]
    near = ((squares < reach**2) & ~itself).reshape(n, -1)
    narrow = (jnp.array(images) + 0.5) * _heights(basis) < reach * _ROUNDING
    find = partial(_find_image, fractional, pbc, table)
    too_small = jnp.any(narrow & jnp.array(pbc))
    return Candidates(mark(near), atoms, atoms, len(table), width, find, too_small)


def _nearest(to: jax.Array, start: jax.Array, pbc: tuple[bool, bool, bool]) -> list[jax.Array]:
    """Shifts to the nearest image, one coordinate after the other, as floating-point numbers."""
    zero = jnp.zeros((), to.dtype)
    return [-jnp.round(b - a) if p else zero for b, a, p in zip(to, start, pbc, strict=True)]


def _find_image(
    fractional: jax.Array,
    pbc: tuple[bool, bool, bool],
    table: np.ndarray,
    offsets: jax.Array,
    places: jax.Array,
) -> Found:
    senders = jnp.minimum(places, len(fractional) - 1)
    start = fractional.T[..., None]
    nearest = _nearest(jnp.moveaxis(fractional[senders], -1, 0), start, pbc)
    home = [jnp.broadcast_to(shift, senders.shape) for shift in nearest]
    shifts = jnp.stack(home, axis=-1).astype(jnp.int32) + jnp.asarray(table, jnp.int32)[offsets]
    return Found(senders, senders, shifts)


class _Bins(NamedTuple):
    """Atoms in bins.

    Attributes
    ----------
    bins, places : (n,) int
        Where each atom is.
    cells : (n, 3) int
        The periodic image of the cell that it is in.
    atoms : (n_bins, capacity) int
        n marks an empty place.
    fullest : () int
        Atoms in the fullest bin.
    """

    bins: jax.Array
    places: jax.Array
    cells: jax.Array
    atoms: jax.Array
    fullest: jax.Array


def binned_pairs(
    positions: jax.Array,
    basis: jax.Array,
    pbc: tuple[bool, bool, bool],
    grid: Grid,
    reach: float,
) -> Candidates:
    """Compare the atoms of adjacent bins; parameters as in `all_pairs`."""
    bins = _fill_bins(positions, basis, pbc, grid)
    adjacent, images = _adjacent_bins(grid, pbc)
    n_offsets, width = adjacent.shape[1], grid.capacity
    # One column per adjacent place, up to whole words: those beyond the last are far from all.
    columns = np.arange(-(-n_offsets * width // WORD) * WORD)
    offset, place = np.minimum(columns // width, n_offsets - 1), columns % width
    beyond = jnp.asarray(columns >= n_offsets * width)
    atoms = bins.atoms.reshape(-1)[adjacent[:, offset] * width + place]
    atoms = jnp.where(beyond, len(positions), atoms)
    far = jnp.full((1, 3), _FAR, positions.dtype)
    padded = jnp.concatenate([positions - cartesian(bins.cells, basis), far])
    ends = cartesian(images, basis).reshape(-1, 3)
    flat = jnp.arange(grid.n_bins, dtype=jnp.int32)[:, None] * n_offsets + jnp.asarray(offset)
    squares = jnp.zeros((), positions.dtype)
    for axis in range(3):
        here, there, end = padded[bins.atoms, axis], padded[atoms, axis], ends[flat, axis]
        squares = squares + (there[:, None] - here[..., None] + end[:, None]) ** 2
    itself = n_offsets // 2 * width + np.arange(width)[:, None]
    near = ((squares < reach**2) & (columns != itself)).reshape(-1, len(columns))
    narrow = np.array(grid.stencil) * _heights(basis) < reach * _ROUNDING * np.array(grid.bins)
    too_small = jnp.any(narrow & jnp.array(pbc)) | (bins.fullest > width)
    rows = bins.bins * width + bins.places
    find = partial(_find_adjacent, bins, adjacent, images)
    return Candidates(mark(near), rows, bins.places, n_offsets, width, find, too_small)


def _fill_bins(
    positions: jax.Array, basis: jax.Array, pbc: tuple[bool, bool, bool], grid: Grid
) -> _Bins:
    n, fractional = len(positions), _fractional(positions, basis)
    bins, cells = jnp.zeros(n, jnp.int32), []
    for axis, (size, periodic) in enumerate(zip(grid.bins, pbc, strict=True)):
        scale = size if periodic else 1.0 / grid.width
        place = jnp.floor(fractional[:, axis] * scale).astype(jnp.int32)
        cell = jnp.floor_divide(place, size)
        bins = bins * size + place - cell * size
        cells.append(cell if periodic else jnp.zeros_like(cell))
    atoms = jnp.arange(n, dtype=jnp.int32)
    ordered, order = jax.lax.sort((bins, atoms), num_keys=1, is_stable=True)
    # Where the atoms of each bin begin among the ordered ones, and where the last ones end.
    starts = jnp.searchsorted(ordered, jnp.arange(grid.n_bins + 1, dtype=jnp.int32))
    starts = starts.astype(jnp.int32)
    places = jnp.zeros(n, jnp.int32).at[order].set(atoms, unique_indices=True) - starts[bins]
    counts = starts[1:] - starts[:-1]
    slots = jnp.arange(grid.capacity, dtype=jnp.int32)
    members = order[jnp.clip(starts[:-1, None] + slots, 0, n - 1)]
    table = jnp.where(slots < counts[:, None], members, n)
    places = jnp.minimum(places, grid.capacity - 1)
    return _Bins(bins, places, jnp.stack(cells, axis=-1), table, jnp.max(counts))


def _adjacent_bins(grid: Grid, pbc: tuple[bool, bool, bool]) -> tuple[jax.Array, jax.Array]:
    """Bins at all offsets from all bins, (n_bins, n_offsets), and images (..., 3) of the cell."""
    shape = [*grid.bins, *(2 * m + 1 for m in grid.stencil)]
    bins: jax.Array | int = 0
    images: list[jax.Array] = []
    for axis, (size, m, periodic) in enumerate(zip(grid.bins, grid.stencil, pbc, strict=True)):
        # Small tables of each direction, which broadcasting combines without a division.
        image, there = np.divmod(np.arange(size)[:, None] + np.arange(-m, m + 1), size)
        others = [a for a in range(6) if a not in (axis, axis + 3)]
        bins = bins * size + jnp.asarray(np.expand_dims(there, others), jnp.int32)
        image = jnp.asarray(np.expand_dims(image * periodic, others), jnp.int32)
        images.append(jnp.broadcast_to(image, shape))
    flat = (grid.n_bins, len(grid.offsets))
    return jnp.reshape(bins, flat), jnp.stack(images, axis=-1).reshape(*flat, 3)


def _find_adjacent(
    bins: _Bins, adjacent: jax.Array, images: jax.Array, offsets: jax.Array, places: jax.Array
) -> Found:
    width, pair = bins.atoms.shape[1], bins.bins[:, None] * adjacent.shape[1] + offsets
    rows = adjacent.reshape(-1)[pair] * width + places
    senders = jnp.minimum(bins.atoms.reshape(-1)[rows], len(bins.bins) - 1)
    shifts = images.reshape(-1, 3)[pair] - bins.cells[senders] + bins.cells[:, None]
    return Found(senders, rows, shifts)


def inverse(basis: jax.Array) -> jax.Array:
    """Reciprocal vectors as columns, without the start of a linear algebra library."""
    normals = jnp.cross(jnp.roll(basis, -1, axis=0), jnp.roll(basis, -2, axis=0))
    return normals.T / jnp.sum(normals[0] * basis[0])


def _fractional(positions: jax.Array, basis: jax.Array) -> jax.Array:
    return jnp.matmul(positions, inverse(basis), precision="highest")


def _heights(basis: jax.Array) -> jax.Array:
    return 1.0 / jnp.linalg.norm(inverse(basis), axis=0)


def cartesian(shifts: jax.Array, basis: jax.Array) -> jax.Array:
    """``shifts @ basis``, written out so that opposite shifts give exactly opposite vectors."""
    shifts = shifts.astype(basis.dtype)
    return shifts[..., :1] * basis[0] + shifts[..., 1:2] * basis[1] + shifts[..., 2:] * basis[2]
