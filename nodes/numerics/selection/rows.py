"""What every selection shares: checked rows of features, equal rows, and picks without features."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

__all__ = [
    "check_count", "equal_groups", "feature_rows", "highest_rows", "random_rows", "rows_above",
    "rows_present", "spread_rows", "two_feature_rows", "uniform_rows",
]  # fmt: skip


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
    check_count(n_select, n_rows)
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
    check_count(n_select, n_rows)
    rows = np.random.default_rng(seed).choice(n_rows, size=n_select, replace=False)
    return np.sort(rows).astype(np.int64)


def spread_rows(values: ArrayLike, n_select: int) -> NDArray[np.int64]:
    """Pick rows whose values are spread evenly from the lowest to the highest.

    Targets are spaced evenly between the extreme values; each in turn takes the free row whose
    value is nearest to it, but never one beyond which too few rows are left for the targets to
    come, so that the picks ascend in value. Both extremes are picked.

    Parameters
    ----------
    values : shape (n,), any one unit
    n_select : number of rows to pick, in [1, n]; a single pick has the lowest value

    Returns
    -------
    shape (n_select,), ascending distinct rows

    Raises
    ------
    ValueError
        If a value is not finite, or `n_select` is not in [1, n].
    """
    given = _finite_values(values)
    check_count(n_select, len(given))
    order = np.argsort(given, kind="stable")
    ladder = given[order]
    targets = np.linspace(ladder[0], ladder[-1], n_select)
    places = np.empty(n_select, dtype=np.int64)
    first = 0
    for k, target in enumerate(targets):
        last = len(ladder) - (n_select - k)
        above = int(np.searchsorted(ladder, target))
        nearest = above if above == 0 else above - 1
        if above < len(ladder) and abs(ladder[above] - target) < abs(ladder[nearest] - target):
            nearest = above
        places[k] = min(max(nearest, first), last)
        first = int(places[k]) + 1
    return np.sort(order[places]).astype(np.int64)


def rows_above(
    values: ArrayLike, threshold: float, n_select: int | None = None
) -> NDArray[np.int64]:
    """Pick rows whose value is higher than a threshold, in their order.

    Parameters
    ----------
    values : shape (n,), any one unit, e.g. uncertainties
    threshold : same unit
    n_select : take the highest so many of them; None takes all

    Returns
    -------
    ascending distinct rows

    Raises
    ------
    ValueError
        If a value is not finite, or fewer than `n_select` values are above the threshold.
    """
    given = _finite_values(values)
    found = np.flatnonzero(given > threshold)
    if n_select is None:
        return found.astype(np.int64)
    if not 1 <= n_select <= len(found):
        raise ValueError(
            f"n_select must be in [1, {len(found)}], the number of values above {threshold}, "
            f"received {n_select}; lower the threshold or ask for fewer"
        )
    return np.sort(found[highest_rows(given[found], n_select)]).astype(np.int64)


def highest_rows(scores: ArrayLike, n_select: int) -> NDArray[np.int64]:
    """Rows with the highest scores, the highest first; ties take the lower row.

    Raises
    ------
    ValueError
        If `n_select` is not in [1, n].
    """
    values = np.asarray(scores, dtype=np.float64)
    check_count(n_select, len(values))
    return np.argsort(-values, kind="stable")[:n_select].astype(np.int64)


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
    points, known = two_feature_rows(rows, reference, name="rows")
    if not len(points) or not len(known):
        return np.zeros(len(points), dtype=np.bool_)
    bound = max(tolerance * float(np.linalg.norm(points, axis=1).max()), 1e-100)
    distances, _ = KDTree(known).query(points, distance_upper_bound=2 * bound)
    return distances <= bound


def equal_groups(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of the group of exactly equal rows that each row belongs to, shape (n,)."""
    seen: dict[bytes, int] = {}
    # Adding zero turns -0.0 into 0.0, which are equal but not the same bytes.
    labels = [seen.setdefault((row + 0.0).tobytes(), len(seen)) for row in rows]
    return np.array(labels, dtype=np.int64)


def feature_rows(values: ArrayLike, *, name: str) -> NDArray[np.float64]:
    """Return `values` as finite floats of shape (rows, features).

    Raises
    ------
    ValueError
        If they have another shape or are not finite.
    """
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2:
        raise ValueError(f"{name} must have shape (rows, features), received shape {rows.shape}")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise ValueError(f"{name} must be finite, received NaN or inf in row {np.argmin(finite)}")
    return rows


def two_feature_rows(
    values: ArrayLike, reference: ArrayLike | None, *, name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rows and reference rows of as many features; no reference has no row.

    Raises
    ------
    ValueError
        If a shape or a value is unusable.
    """
    rows = feature_rows(values, name=name)
    known = rows[:0] if reference is None else feature_rows(reference, name="reference")
    if known.shape[1] != rows.shape[1]:
        raise ValueError(
            f"reference must have {rows.shape[1]} columns like {name}, received shape {known.shape}"
        )
    return rows, known


def check_count(n_select: int, n_rows: int) -> None:
    """Raise ValueError unless 1 <= n_select <= n_rows."""
    if not 1 <= n_select <= n_rows:
        raise ValueError(
            f"n_select must be in [1, {n_rows}] for {n_rows} rows, received {n_select}"
        )


def _finite_values(values: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or not np.isfinite(given).all():
        raise ValueError(
            "values must be one finite number for each row, received "
            f"{'NaN or infinity' if given.ndim == 1 else f'shape {given.shape}'}"
        )
    return given
