"""Choose rows so that a value of theirs is spread evenly over its range."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nodes.numerics.selection.leverage import draw_without_replacement

__all__ = ["flat_histogram"]


def flat_histogram(
    values: ArrayLike,
    n_select: int,
    *,
    n_bins: int | None = None,
    kt: float | None = None,
    by_bin: bool = True,
    replace: bool = False,
    seed: int = 0,
) -> NDArray[np.int64]:
    r"""Pick rows whose histogram is flat, or falls off like :math:`e^{-v/kT}`.

    The values are sorted into bins of equal width. `by_bin` shares the picks out among the bins in
    proportion to their Boltzmann weights, as evenly as whole numbers allow (method of Webster and
    Sainte-Laguë); a bin that has no rows left passes its picks on to the others; within a bin rows
    are picked at random. Otherwise every pick is drawn at random, with a weight that is the
    Boltzmann weight of the row's value over the number of rows in its bin, so that the histogram is
    flat on average.

    Parameters
    ----------
    values : shape (n,), any unit
    n_select : number of rows to pick
    n_bins : number of bins; None takes the rule of Freedman and Diaconis, or that of Sturges
    kt : same unit as `values`; None is flat
    by_bin : see above
    replace : whether a row may be picked more than once
    seed : the same seed gives the same rows

    Returns
    -------
    shape (n_select,), ascending rows

    Raises
    ------
    ValueError
        If a value is not finite, an option is out of range, or there are too few rows.
    """
    given = np.asarray(values, dtype=np.float64)
    _check(given, n_select, n_bins=n_bins, kt=kt, replace=replace)
    edges = np.histogram_bin_edges(given, bins="auto" if n_bins is None else n_bins)
    # The last bin is closed on both sides.
    bins = np.clip(np.searchsorted(edges, given, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(bins, minlength=len(edges) - 1)
    if by_bin:
        centres = 0.5 * (edges[1:] + edges[:-1])
        room = np.full(len(counts), n_select) if replace else counts
        shares = _shares(_log_boltzmann(centres, kt), np.where(counts > 0, room, 0), n_select)
        return _rows_of_bins(bins, shares, replace=replace, seed=seed)
    log_weights = _log_boltzmann(given, kt) - np.log(counts[bins])
    if replace:
        weights = np.exp(log_weights - log_weights.max())
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(given), size=n_select, p=weights / weights.sum())
    else:
        rows = draw_without_replacement(log_weights, n_select, seed=seed)
    return np.sort(rows).astype(np.int64)


def _log_boltzmann(values: NDArray[np.float64], kt: float | None) -> NDArray[np.float64]:
    return np.zeros(len(values)) if kt is None else -(values - values.min()) / kt


def _shares(
    log_weights: NDArray[np.float64], room: NDArray[np.int64], n_select: int
) -> NDArray[np.int64]:
    """Give one pick after the other to the bin with the largest weight / (2 share + 1)."""
    shares = np.zeros(len(room), dtype=np.int64)
    for _ in range(n_select):
        claim = np.where(shares < room, log_weights - np.log(2 * shares + 1), -np.inf)
        shares[np.argmax(claim)] += 1
    return shares


def _rows_of_bins(
    bins: NDArray[np.int64], shares: NDArray[np.int64], *, replace: bool, seed: int
) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    picked = [
        rng.choice(np.flatnonzero(bins == k), size=share, replace=replace)
        for k, share in enumerate(shares)
        if share
    ]
    return np.sort(np.concatenate(picked)).astype(np.int64)


def _check(
    values: NDArray[np.float64],
    n_select: int,
    *,
    n_bins: int | None,
    kt: float | None,
    replace: bool,
) -> None:
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(
            "values must be one finite number for each row, received "
            f"{'NaN or infinity' if values.ndim == 1 else f'shape {values.shape}'}"
        )
    if n_bins is not None and n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, received {n_bins}")
    if kt is not None and not kt > 0:
        raise ValueError(f"kt must be positive, received {kt}")
    if n_select < 1 or len(values) == 0 or (not replace and n_select > len(values)):
        raise ValueError(
            f"n_select must be in [1, {len(values)}] for {len(values)} rows (or more with "
            f"replace), received {n_select}"
        )
