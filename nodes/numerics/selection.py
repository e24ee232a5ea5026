"""Choosing rows: farthest points, evenly spaced rows, random rows.

Every function returns exactly the number of distinct rows that was asked for, or raises.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

__all__ = ["farthest_point", "random_rows", "rows_present", "uniform_rows"]


def farthest_point(
    candidates: ArrayLike, n_select: int, *, reference: ArrayLike | None = None
) -> NDArray[np.int64]:
    r"""Pick rows greedily so that each new row is farthest from all rows taken before it.

    Each step takes :math:`\arg\max_i \min_j |x_i - y_j|`, where :math:`y_j` runs over the
    reference rows and the rows picked so far (Gonzalez, *Theor. Comput. Sci.* **38**, 293 (1985)).
    Ties take the lower row. Without a reference the first pick is the row farthest from the
    mean. To go on from an earlier selection, give its rows as the reference. Values need no
    common length. Time is O(n d (m + n_select)); memory is O(n d).

    Parameters
    ----------
    candidates : shape (n, d), any one unit
    n_select : number of rows to pick, in [1, n]
    reference : shape (m, d), rows that count as taken already; m may be 0

    Returns
    -------
    shape (n_select,), distinct rows of `candidates` in the order in which they were picked

    Raises
    ------
    ValueError
        If a shape, a number or a value is unusable, or if fewer than `n_select` candidates
        differ from the reference and from each other: a duplicate is never picked.
    """
    points = _feature_rows(candidates, name="candidates")
    _check_count(n_select, len(points))
    taken = points[:0] if reference is None else _feature_rows(reference, name="reference")
    if taken.shape[1] != points.shape[1]:
        raise ValueError(
            f"reference must have {points.shape[1]} columns like candidates, "
            f"received shape {taken.shape}"
        )
    nearest = _Nearest(points)
    for row in taken:
        nearest.take(row)

    rows = np.empty(n_select, dtype=np.int64)
    for k in range(n_select):
        first = k == 0 and len(taken) == 0
        score = _squared_distances(points, nearest.centre) if first else nearest.squared
        row = int(np.argmax(score))
        if nearest.squared[row] == 0.0:
            raise ValueError(
                f"n_select must be at most {k}, the number of candidates that differ from the "
                f"reference and from each other, received {n_select}"
            )
        rows[k] = row
        nearest.take(points[row])
    return rows


def uniform_rows(n_rows: int, n_select: int) -> NDArray[np.int64]:
    """Pick `n_select` evenly spaced rows of `n_rows`, the first and the last included.

    Parameters
    ----------
    n_rows : number of rows to choose from
    n_select : number of rows to pick, in [1, n_rows]; a single pick is row 0

    Returns
    -------
    shape (n_select,), ascending distinct rows

    Raises
    ------
    ValueError
        If `n_select` is not in [1, n_rows].
    """
    _check_count(n_select, n_rows)
    gaps = max(n_select - 1, 1)
    # Integer rounding to nearest: neighbours are at least one row apart, so rows are distinct.
    return (np.arange(n_select, dtype=np.int64) * (n_rows - 1) + gaps // 2) // gaps


def random_rows(n_rows: int, n_select: int, *, seed: int) -> NDArray[np.int64]:
    """Pick `n_select` distinct rows of `n_rows` at random.

    Parameters
    ----------
    n_rows : number of rows to choose from
    n_select : number of rows to pick, in [1, n_rows]
    seed : the same seed gives the same rows

    Returns
    -------
    shape (n_select,), ascending distinct rows, so that frames keep their order

    Raises
    ------
    ValueError
        If `n_select` is not in [1, n_rows].
    """
    _check_count(n_select, n_rows)
    rows = np.random.default_rng(seed).choice(n_rows, size=n_select, replace=False)
    return np.sort(rows).astype(np.int64)


def rows_present(
    rows: ArrayLike, reference: ArrayLike, *, tolerance: float = 1e-6
) -> NDArray[np.bool_]:
    """Tell which rows occur in the reference as well.

    Parameters
    ----------
    rows : shape (n, d), any one unit
    reference : shape (m, d)
    tolerance : rows closer than this times the length of the longest row are the same

    Returns
    -------
    shape (n,)

    Raises
    ------
    ValueError
        If a shape or a value is unusable.
    """
    points = _feature_rows(rows, name="rows")
    known = _feature_rows(reference, name="reference")
    if known.shape[1] != points.shape[1]:
        raise ValueError(
            f"reference must have {points.shape[1]} columns like rows, received {known.shape}"
        )
    if not len(points) or not len(known):
        return np.zeros(len(points), dtype=np.bool_)
    bound = max(tolerance * float(np.linalg.norm(points, axis=1).max()), 1e-100)
    distances, _ = KDTree(known).query(points, distance_upper_bound=2 * bound)
    return distances <= bound


def _feature_rows(values: ArrayLike, *, name: str) -> NDArray[np.float64]:
    """Return `values` as finite floats of shape (rows, features)."""
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2:
        raise ValueError(f"{name} must have shape (rows, features), received shape {rows.shape}")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise ValueError(f"{name} must be finite, received NaN or inf in row {np.argmin(finite)}")
    return rows


def _check_count(n_select: int, n_rows: int) -> None:
    if not 1 <= n_select <= n_rows:
        raise ValueError(
            f"n_select must be in [1, {n_rows}] for {n_rows} rows, received {n_select}"
        )


class _Nearest:
    """Squared distance of every point to the nearest point that was taken.

    Distances by differences are exact for duplicates but slow. A matrix product, whose rounding
    error is bounded, finds the points that may have come nearer; these alone are computed exactly.
    Their share falls like one over the number taken.

    Parameters
    ----------
    points : shape (n, d)
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        self.points = points
        self.centre = points.mean(axis=0)
        self.squared = np.full(len(points), np.inf)
        self._centred = points - self.centre
        self._norms = np.einsum("nd,nd->n", self._centred, self._centred)

    def take(self, row: NDArray[np.float64]) -> None:
        """Count `row`, shape (d,), as taken."""
        own = row - self.centre
        norm = float(own @ own)
        slack = 8 * (len(own) + 4) * np.finfo(float).eps * max(float(self._norms.max()), norm)
        estimate = self._norms + norm - 2.0 * (self._centred @ own)
        near = np.flatnonzero(estimate < self.squared + slack)
        exact = _squared_distances(self.points[near], row)
        self.squared[near] = np.minimum(self.squared[near], exact)


def _squared_distances(
    points: NDArray[np.float64], row: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared distances, shape (n,); by differences, so that duplicates are exactly zero."""
    delta = points - row
    return np.einsum("nd,nd->n", delta, delta)
