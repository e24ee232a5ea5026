"""Distances of many points to the nearest of those taken so far."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nodes.numerics.selection.kernels import kernel_blocks
from nodes.numerics.selection.rows import two_feature_rows

__all__ = [
    "Nearest", "close_pairs", "nearest_reference", "pick_distances", "squared_distances", "too_few",
]  # fmt: skip


class Nearest:
    """Squared distance of every point to the nearest point that was taken, and which that is.

    Distances by differences are exact for duplicates but slow. A matrix product, whose rounding
    error is bounded, finds the points that may have come nearer; these alone are computed exactly.
    Their share falls like one over the number taken.

    Parameters
    ----------
    points : shape (n, d)

    Attributes
    ----------
    squared : shape (n,), infinite before anything is taken
    owner : shape (n,), number of the nearest point taken, counted from 0; of two at the same
        distance the first. Minus 1 before anything is taken.
    n_taken : how many were taken
    centre : shape (d,), mean of all points
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        self.points = points
        self.centre = points.mean(axis=0)
        self.squared = np.full(len(points), np.inf)
        self.owner = np.full(len(points), -1, dtype=np.int64)
        self.n_taken = 0
        self._centred = points - self.centre
        self._norms = np.einsum("nd,nd->n", self._centred, self._centred)
        self._longest = float(self._norms.max())

    def take(self, row: NDArray[np.float64]) -> None:
        """Count `row`, shape (d,), as taken."""
        own = row - self.centre
        norm = float(own @ own)
        slack = 8 * (len(own) + 4) * np.finfo(float).eps * max(self._longest, norm)
        estimate = self._norms + norm - 2.0 * (self._centred @ own)
        near = np.flatnonzero(estimate < self.squared + slack)
        exact = squared_distances(self.points[near], row)
        closer = exact < self.squared[near]
        self.squared[near[closer]] = exact[closer]
        self.owner[near[closer]] = self.n_taken
        self.n_taken += 1

    def take_all(self, rows: NDArray[np.float64]) -> None:
        """Count all `rows`, shape (m, d), as taken."""
        if len(rows):
            squared, owner = _nearest(self.points, rows)
            closer = squared < self.squared
            self.squared[closer] = squared[closer]
            self.owner[closer] = self.n_taken + owner[closer]
            self.n_taken += len(rows)


def squared_distances(points: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distances, shape (n,); by differences, so that duplicates are exactly zero."""
    delta = points - row
    return np.einsum("nd,nd->n", delta, delta)


def nearest_reference(
    rows: ArrayLike, reference: ArrayLike, *, skip_self: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distance to the nearest row of a reference, and which one it is.

    Candidates are found by matrix products, block by block within a few hundred megabytes; the
    distance of the nearest is computed by differences, so that duplicates are exactly zero. Of
    several at the same distance the first is named.

    Parameters
    ----------
    rows : shape (n, d), any one unit
    reference : shape (m, d), at least one row
    skip_self : `reference` is `rows`, and no row is its own nearest

    Returns
    -------
    distances, shape (n,), same unit
    numbers of rows of `reference`, shape (n,)

    Raises
    ------
    ValueError
        If a shape or a value is unusable, or there is no row to be near to.
    """
    points, known = two_feature_rows(rows, reference, name="rows")
    if len(known) <= skip_self:
        raise ValueError(
            f"reference must have at least {1 + skip_self} rows, received {len(known)}"
        )
    squared, found = _nearest(points, known, skip_self=skip_self)
    return np.sqrt(squared), found


def pick_distances(
    candidates: ArrayLike, rows: ArrayLike, *, reference: ArrayLike | None = None
) -> NDArray[np.float64]:
    """How far each pick was from all that was taken before it: the ranking of a selection.

    Parameters
    ----------
    candidates : shape (n, d), any one unit
    rows : shape (n_select,), picked rows of `candidates`, in order
    reference : shape (m, d), rows that were taken before; m may be 0

    Returns
    -------
    shape (n_select,), same unit; without a reference the first is the distance to the mean
    """
    points, taken = two_feature_rows(candidates, reference, name="candidates")
    picked = points[np.asarray(rows, dtype=np.int64)]
    nearest = Nearest(picked)
    nearest.take_all(taken)
    distances = np.empty(len(picked))
    for k, row in enumerate(picked):
        first = nearest.n_taken == 0
        squared = np.sum((row - points.mean(axis=0)) ** 2) if first else nearest.squared[k]
        distances[k] = np.sqrt(squared)
        nearest.take(row)
    return distances


def close_pairs(
    rows: ArrayLike, reference: ArrayLike, threshold: float, *, max_pairs: int = 1_000_000
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """All pairs of a row and a row of a reference that are closer than a threshold.

    Found by matrix products within bounded memory; distances are computed by differences.

    Parameters
    ----------
    rows : shape (n, d), any one unit
    reference : shape (m, d)
    threshold : same unit; a pair at exactly this distance is not close
    max_pairs : more pairs than that are an error

    Returns
    -------
    rows, rows of the reference, distances: shape (n_pairs,) each, the closest pair first

    Raises
    ------
    ValueError
        If a shape or a value is unusable, or there are too many pairs.
    """
    points, known = two_feature_rows(rows, reference, name="rows")
    centre = known.mean(axis=0) if len(known) else 0.0
    centred, around = points - centre, known - centre
    own, theirs = np.einsum("nd,nd->n", centred, centred), np.einsum("nd,nd->n", around, around)
    largest = max(float(own.max(initial=0.0)), float(theirs.max(initial=0.0)))
    slack = 8 * (points.shape[1] + 4) * np.finfo(float).eps * largest
    first: list[NDArray[np.int64]] = []
    second: list[NDArray[np.int64]] = []
    total = 0
    for part, products in kernel_blocks(centred, around):
        squared = own[part, None] + theirs - 2.0 * products
        near, other = np.nonzero(squared < threshold**2 + slack)
        first.append(near + part.start)
        second.append(other)
        total += len(near)
        if total > max_pairs:
            raise ValueError(
                f"threshold must leave at most {max_pairs} close pairs, received {threshold} "
                f"with more; lower it"
            )
    i = np.concatenate(first) if first else np.empty(0, np.int64)
    j = np.concatenate(second) if second else np.empty(0, np.int64)
    distances = np.sqrt(_pair_squares(points, known, i, j))
    order = np.argsort(distances, kind="stable")
    order = order[distances[order] < threshold]
    return i[order], j[order], distances[order]


def _nearest(
    points: NDArray[np.float64], known: NDArray[np.float64], *, skip_self: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Exact squared distance to the nearest of `known`, and which one, shapes (n,)."""
    centre = known.mean(axis=0)
    centred, around = points - centre, known - centre
    norms = np.einsum("nd,nd->n", around, around)
    longest = max(float(norms.max()), float(np.einsum("nd,nd->n", centred, centred).max()))
    slack = 16 * (points.shape[1] + 4) * np.finfo(float).eps * longest
    nearest, owner = np.empty(len(points)), np.empty(len(points), dtype=np.int64)
    for part, products in kernel_blocks(centred, around):
        estimate = norms - 2.0 * products
        if skip_self:
            estimate[np.arange(len(estimate)), np.arange(part.start, part.stop)] = np.inf
        row, column = np.nonzero(estimate <= estimate.min(axis=1, keepdims=True) + slack)
        squared = _pair_squares(points, known, row + part.start, column)
        order = np.lexsort((column, squared, row))
        first = order[np.unique(row[order], return_index=True)[1]]
        nearest[part], owner[part] = squared[first], column[first]
    return nearest, owner


def _pair_squares(
    points: NDArray[np.float64],
    known: NDArray[np.float64],
    i: NDArray[np.int64],
    j: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Squared distances of pairs, shape (n_pairs,), a few thousand pairs at a time."""
    squared = np.empty(len(i))
    for start in range(0, len(i), 4096):
        part = slice(start, start + 4096)
        delta = points[i[part]] - known[j[part]]
        squared[part] = np.einsum("nd,nd->n", delta, delta)
    return squared


def too_few(n_possible: int, n_select: int) -> ValueError:
    """The error for more picks than there are candidates unlike all that is taken."""
    return ValueError(
        f"n_select must be at most {n_possible}, the number of candidates that differ from the "
        f"reference and from each other, received {n_select}"
    )
