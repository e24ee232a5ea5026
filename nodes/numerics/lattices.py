"""Three-dimensional lattices: short bases, widths of cells, supercells that are nearly cubic.

Lattice vectors are rows, in Angstrom. An integer matrix ``M`` makes the basis ``M @ cell``.
"""

from __future__ import annotations

import itertools

import numpy as np

__all__ = ["cell_widths", "reduced_basis", "widest_supercell"]

_COMBINATIONS = np.array(list(itertools.product((-1, 0, 1), repeat=2)), np.int64)


def cell_widths(cell: np.ndarray) -> np.ndarray:
    """Distances between opposite faces of a cell, shape (3,), Angstrom."""
    return 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def reduced_basis(cell: np.ndarray) -> np.ndarray:
    """Integer matrix, shape (3, 3), whose ``M @ cell`` has the shortest possible vectors.

    Three-dimensional reduction in the sense of Minkowski: I. Semaev, *Lect. Notes Comput. Sci.*
    **2146**, 181 (2001). The determinant is 1: handedness is kept.
    """
    matrix = np.eye(3, dtype=np.int64)
    while True:
        before = _lengths(matrix @ cell)
        matrix = matrix[np.argsort(before, kind="stable")]
        vectors = matrix @ cell
        matrix[1] -= int(np.rint(vectors[0] @ vectors[1] / (vectors[0] @ vectors[0]))) * matrix[0]
        vectors = matrix @ cell
        metric = vectors[:2] @ vectors[:2].T
        near = np.rint(np.linalg.solve(metric, vectors[:2] @ vectors[2])).astype(np.int64)
        choices = matrix[2] - (near + _COMBINATIONS) @ matrix[:2]
        matrix[2] = choices[np.argmin(_lengths(choices @ cell))]
        if _lengths(matrix @ cell).sum() > before.sum() * (1.0 - 1e-9):
            break
    return matrix if np.linalg.det(matrix) > 0 else -matrix


def widest_supercell(cell: np.ndarray, max_cells: int) -> np.ndarray:
    """Integer matrix of the supercell that holds the largest sphere.

    The width of a cell is the smallest distance between two of its opposite faces. At most the
    cube root of the volume, it reaches that for cubes alone: the widest cell is the largest one
    that is nearly cubic. Of equally wide cells the smallest is taken. Searched are all repeats of
    the reduced forms of all sublattices with up to 8 cells.

    Parameters
    ----------
    cell : (3, 3)
    max_cells : the supercell has at most so many cells

    Returns
    -------
    int64 (3, 3)
        Rows are the new lattice vectors in units of the old ones; the determinant is positive.
    """
    best, best_width = np.eye(3, dtype=np.int64), 0.0
    for block in _sublattices(min(8, max_cells)):
        block = reduced_basis(block @ cell) @ block
        widths = cell_widths(block @ cell)
        size = round(np.linalg.det(block))
        counts = np.ones(3, np.int64)
        while True:
            trial = counts.copy()
            trial[np.argmin(counts * widths)] += 1
            if trial.prod() * size > max_cells:
                break
            counts = trial
        width = float((counts * widths).min())
        # A last step that does not widen the cell only costs atoms.
        counts = np.maximum(1, np.ceil(width / widths - 1e-9)).astype(np.int64)
        found = counts[:, None] * block
        gain = width - best_width
        if gain > 1e-6 or (gain > -1e-6 and np.linalg.det(found) < np.linalg.det(best) - 0.5):
            best, best_width = found, width
    return best


def _sublattices(max_cells: int) -> list[np.ndarray]:
    """Hermite normal forms of all sublattices with up to `max_cells` cells."""
    found = []
    for a, b, c in itertools.product(range(1, max_cells + 1), repeat=3):
        if a * b * c <= max_cells:
            found += [
                np.array([[a, 0, 0], [d, b, 0], [e, f, c]], np.int64)
                for d, e, f in itertools.product(range(a), range(a), range(b))
            ]
    return found


def _lengths(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=1)
