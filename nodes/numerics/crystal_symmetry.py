"""Rotations that leave a crystal as it is, and lattice planes that they leave distinct."""

from __future__ import annotations

import itertools
from math import gcd

import numpy as np

from nodes.numerics.lattices import reduced_basis

__all__ = ["distinct_planes", "point_group"]

_ENTRIES = np.array(list(itertools.product((-1, 0, 1), repeat=3)), np.int64)


def point_group(
    numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray, *, tolerance: float = 1e-3
) -> np.ndarray:
    """Rotations and reflections that, each with some shift, map a crystal onto itself.

    Parameters
    ----------
    numbers : (n,) atomic numbers
    positions : (n, 3) Angstrom
    cell : (3, 3) Angstrom
    tolerance : Angstrom, by which images may miss

    Returns
    -------
    int64 (m, 3, 3)
        Matrices ``W``; the operation maps the lattice vectors (rows) to ``W @ cell``.
    """
    basis = reduced_basis(cell)
    reduced = basis @ cell
    fractions = positions @ np.linalg.inv(reduced)
    found = [
        matrix
        for matrix in _lattice_group(reduced, tolerance)
        if _maps_atoms(numbers, fractions, fractions @ matrix, reduced, tolerance)
    ]
    inverse = np.rint(np.linalg.inv(basis)).astype(np.int64)
    return np.array([inverse @ matrix @ basis for matrix in found])


def distinct_planes(rotations: np.ndarray, max_index: int) -> list[tuple[int, int, int]]:
    """Miller indices up to `max_index`, one for each set of planes that are alike.

    Parameters
    ----------
    rotations : (m, 3, 3) from `point_group`
    max_index : largest absolute value of an index

    Returns
    -------
    list of (h, k, l)
        Without common divisor; the simplest member of each set, simple sets first.
    """
    indices = range(-max_index, max_index + 1)
    triples = itertools.product(indices, indices, indices)
    planes = sorted((hkl for hkl in triples if gcd(*hkl) == 1), key=_complexity)
    seen: set[tuple[int, int, int]] = set()
    distinct = []
    for plane in planes:
        if plane not in seen:
            distinct.append(plane)
            images = rotations @ np.array(plane)
            seen.update(map(tuple, np.concatenate([images, -images]).tolist()))
    return distinct


def _complexity(plane: tuple[int, int, int]) -> tuple[int, ...]:
    """Sort key: small indices, then few minus signs, then leading indices large."""
    return (
        max(map(abs, plane)),
        sum(map(abs, plane)),
        sum(index < 0 for index in plane),
        *(-index for index in plane),
    )


def _lattice_group(cell: np.ndarray, tolerance: float) -> list[np.ndarray]:
    """Return all integer matrices that keep the lengths and angles of a reduced basis."""
    metric = cell @ cell.T
    slack = 2.0 * tolerance * np.sqrt(metric.max())
    lengths = np.einsum("ni,ij,nj->n", _ENTRIES, metric, _ENTRIES)
    rows = [_ENTRIES[np.abs(lengths - metric[i, i]) < slack] for i in range(3)]
    found = []
    for triple in itertools.product(*rows):
        matrix = np.array(triple)
        same = np.abs(matrix @ metric @ matrix.T - metric).max() < slack
        if same and abs(round(np.linalg.det(matrix))) == 1:
            found.append(matrix)
    return found


def _maps_atoms(
    numbers: np.ndarray, old: np.ndarray, new: np.ndarray, cell: np.ndarray, tolerance: float
) -> bool:
    """Whether some shift brings fractional positions `new` onto `old`, element by element."""
    kinds, counts = np.unique(numbers, return_counts=True)
    rare = np.flatnonzero(numbers == kinds[np.argmin(counts)])
    for target in rare:
        moved = new + (old[target] - new[rare[0]])
        away = moved[:, None] - old[None]
        away -= np.rint(away)
        near = np.linalg.norm(away @ cell, axis=2) < tolerance
        near &= numbers[:, None] == numbers[None]
        if (near.sum(axis=1) == 1).all() and (near.sum(axis=0) == 1).all():
            return True
    return False
