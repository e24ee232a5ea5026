"""A grid of bins, which makes the cost of a neighbour list proportional to the atoms.

The bins are parallel to the lattice planes. Along a periodic vector, ``bins`` divide the cell
and an atom looks ``stencil`` bins to either side, through the boundary as often as need be: one
bin and several images in a cell narrower than the reach. Along a free direction the bins have a
fixed width and are counted modulo their number, so that an atom which drifts away meets
strangers, whom the distance tells apart, and never the end of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nodes.numerics.neighbors.cells import image_table, plane_distances

__all__ = ["Grid", "choose_grid"]

_SPARE = 1.02
_MOTION_ANGSTROM = 0.25


@dataclass(frozen=True)
class Grid:
    """What is fixed at compile time.

    Parameters
    ----------
    bins : tuple of 3 int
        Along each lattice vector.
    stencil : tuple of 3 int
        Bins to look at to either side; along a free direction 0 of one bin, 1 of three or more.
    width : float, Angstrom
        Of the bins along free directions; along periodic ones the cell decides.
    capacity : int
        Atoms per bin.
    """

    bins: tuple[int, int, int]
    stencil: tuple[int, int, int]
    width: float
    capacity: int

    @property
    def n_bins(self) -> int:
        """Number of all bins."""
        return math.prod(self.bins)

    @property
    def offsets(self) -> np.ndarray:
        """Bins to look at, (n_offsets, 3); row -1-k is minus row k."""
        return image_table(self.stencil)

    @property
    def cost(self) -> int:
        """Pairs that are compared."""
        return self.n_bins * self.capacity**2 * len(self.offsets)


def choose_grid(positions: np.ndarray, basis: np.ndarray, pbc: np.ndarray, reach: float) -> Grid:
    """Find the grid that compares the fewest pairs.

    Periodic cells may shrink by 2 % before the bins are too narrow. The bins have room for what
    thermal motion of 0.25 Angstrom adds to the fullest one, and for chance.

    Parameters
    ----------
    positions : (n, 3) or (n_replicas, n, 3), Angstrom
    basis : (3, 3), Angstrom
        See `cells.periodic_basis`.
    pbc : (3,) bool
    reach : float, Angstrom
        Cutoff and skin.
    """
    still = np.asarray(positions, np.float64).reshape(-1, *np.shape(positions)[-2:])
    motion = np.random.default_rng(0).normal(scale=_MOTION_ANGSTROM, size=(2, *still.shape))
    fractional = np.concatenate([still, *(still + motion)]) @ np.linalg.inv(basis)
    heights = plane_distances(basis)
    extents = np.ptp(fractional, axis=1).max(axis=0)
    width = _SPARE * reach
    lengths = np.where(pbc, heights, extents + width)
    bins = [max(1, int(length / width)) for length in lengths]
    while math.prod(bins) > 64 + 4 * still.shape[1]:
        bins[bins.index(max(bins))] //= 2
    best = _filled(bins, fractional, heights, pbc, width)
    improved = True
    while improved:
        improved = False
        for bins in _variants(best, lengths, width):
            grid = _filled(bins, fractional, heights, pbc, width)
            if grid.cost < best.cost:
                best, improved = grid, True
                break
    return best


def _variants(grid: Grid, lengths: np.ndarray, width: float) -> Iterator[tuple[int, int, int]]:
    """Half as many bins along one direction, or bins of half the width where there are few."""
    for axis, (n, length) in enumerate(zip(grid.bins, lengths, strict=True)):
        others = {n // 2} if n > 3 else {1, int(2.0 * length / width)}
        for m in sorted(others - {n, 0}):
            x, y, z = (m if a == axis else k for a, k in enumerate(grid.bins))
            yield x, y, z


def _filled(
    bins: Sequence[int],
    fractional: np.ndarray,
    heights: np.ndarray,
    pbc: np.ndarray,
    width: float,
) -> Grid:
    """The grid with so many bins, and with room for the atoms that are in the fullest."""
    allowed = [n if periodic or n >= 3 else 1 for n, periodic in zip(bins, pbc, strict=True)]
    stencil = [
        math.ceil(width * n / height) if periodic else int(n > 1)
        for n, height, periodic in zip(allowed, heights, pbc, strict=True)
    ]
    x, y, z = allowed
    place = np.floor(fractional * np.where(pbc, allowed, 1.0 / width)).astype(np.int64) % allowed
    flat = (place[..., 0] * y + place[..., 1]) * z + place[..., 2]
    fullest = max(int(np.bincount(row).max()) for row in flat)
    a, b, c = stencil
    capacity = fullest + 1 + math.ceil(0.5 * math.sqrt(fullest))
    return Grid((x, y, z), (a, b, c), width, capacity)
