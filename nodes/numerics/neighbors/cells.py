"""Geometry of a lattice: which periodic images can lie within a cutoff."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["image_ranges", "image_table", "periodic_basis", "plane_distances"]


def periodic_basis(cell: np.ndarray, pbc: np.ndarray | Sequence[bool]) -> np.ndarray:
    """Complete the periodic lattice vectors to an invertible basis.

    Parameters
    ----------
    cell : (3, 3), Angstrom
        Lattice vectors as rows; rows of non-periodic directions are ignored.
    pbc : (3,) bool

    Returns
    -------
    (3, 3), Angstrom
        ``cell`` with each non-periodic row replaced by a unit vector that is perpendicular to
        all other rows.

    Raises
    ------
    ValueError
        If the periodic lattice vectors are linearly dependent.
    """
    basis = np.array(cell, np.float64)
    periodic = basis[np.asarray(pbc, bool)]
    _, singular, directions = np.linalg.svd(periodic.reshape(-1, 3), full_matrices=True)
    if len(periodic) and singular.min() < 1e-8 * max(singular.max(), 1.0):
        raise ValueError(
            f"periodic lattice vectors must be linearly independent, received {periodic.tolist()}"
        )
    basis[~np.asarray(pbc, bool)] = directions[len(periodic) :]
    return basis


def plane_distances(basis: np.ndarray) -> np.ndarray:
    """Distances (3,) in Angstrom between neighbouring lattice planes, across each vector."""
    return 1.0 / np.linalg.norm(np.linalg.inv(basis), axis=0)


def image_ranges(
    basis: np.ndarray, pbc: np.ndarray | Sequence[bool], cutoff: float
) -> tuple[int, int, int]:
    """How many images to either side of the nearest one can lie within the cutoff.

    Fractional differences are first brought to [-1/2, 1/2]. A further shift by m moves a point
    at least (abs(m) - 1/2) plane distances away, so only abs(m) < cutoff / distance + 1/2 count.

    Returns
    -------
    tuple of 3 int
        The largest abs(m) along each lattice vector; zero where not periodic.
    """
    reach = np.floor(cutoff / plane_distances(basis) + 0.5 + 1e-4).astype(int)
    x, y, z = (int(m) if periodic else 0 for m, periodic in zip(reach, pbc, strict=True))
    return x, y, z


def image_table(ranges: tuple[int, int, int]) -> np.ndarray:
    """All shifts within ``ranges``, shape (n_images, 3); row -1-k is minus row k."""
    axes = [np.arange(-m, m + 1) for m in ranges]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
