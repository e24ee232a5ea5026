"""Empty space between the atoms of a crystal: the corners of its Voronoi cells."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.spatial import KDTree, Voronoi

from nodes.numerics.lattices import cell_widths, reduced_basis

__all__ = ["find_voids"]


def find_voids(
    positions: np.ndarray, cell: np.ndarray, *, merge_angstrom: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """Points that are farther from all atoms than the points around them.

    These are corners of the periodic Voronoi cells, each equally far from four or more atoms.

    Parameters
    ----------
    positions : (n, 3) Angstrom
    cell : (3, 3) Angstrom, periodic along all three vectors
    merge_angstrom : of corners closer together than this only the emptiest is kept

    Returns
    -------
    points : (m, 3) Angstrom, inside the cell, the emptiest first
    radii : (m,) Angstrom, distance to the nearest atoms
    """
    basis = reduced_basis(cell) @ cell
    # No point is farther from an atom than half the diagonal of a box over the reduced basis.
    reach = 0.5 * float(np.linalg.norm(basis)) + 0.1
    atoms = _with_images(positions, basis, reach)
    corners = Voronoi(atoms).vertices
    fractions = corners @ np.linalg.inv(basis)
    corners = corners[((fractions > -1e-6) & (fractions < 1.0 + 1e-6)).all(axis=1)]
    distances, _ = KDTree(atoms).query(corners, k=4)
    # Corners between almost coplanar atoms are ill-conditioned: they lie off their atoms.
    corners = corners[distances[:, 3] - distances[:, 0] < 1e-4 * reach]
    radii = KDTree(atoms).query(corners)[0]
    fractions = corners @ np.linalg.inv(cell)
    fractions -= np.floor(fractions + 1e-6)
    order = np.lexsort((*np.round(fractions, 4).T[::-1], -np.round(radii, 4)))
    kept = _merged(fractions[order], cell, merge_angstrom)
    return fractions[order][kept] @ cell, radii[order][kept]


def _with_images(positions: np.ndarray, cell: np.ndarray, reach: float) -> np.ndarray:
    """Return atoms and images within `reach` (Angstrom) of the cell."""
    fractions = positions @ np.linalg.inv(cell)
    fractions -= np.floor(fractions)
    margin = reach / cell_widths(cell)
    ranges = [range(-int(np.ceil(m)), int(np.ceil(m)) + 1) for m in margin]
    shifts = np.array(list(itertools.product(*ranges)), np.float64)
    images = (fractions[None] + shifts[:, None]).reshape(-1, 3)
    near = ((images >= -margin) & (images <= 1.0 + margin)).all(axis=1)
    return images[near] @ cell


def _merged(fractions: np.ndarray, cell: np.ndarray, distance: float) -> list[int]:
    """Rows of the points that are no nearer than `distance` to a row before them."""
    left, kept = np.ones(len(fractions), bool), []
    for row in range(len(fractions)):
        if left[row]:
            kept.append(row)
            away = fractions - fractions[row]
            away -= np.rint(away)
            left &= np.linalg.norm(away @ cell, axis=1) > distance
    return kept
