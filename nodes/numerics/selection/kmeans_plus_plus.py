"""k-means++: random picks that favour what is far from all that is taken."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nodes.numerics.selection.nearest import Nearest, too_few
from nodes.numerics.selection.rows import check_count, two_feature_rows

__all__ = ["kmeans_plus_plus"]


def kmeans_plus_plus(
    candidates: ArrayLike, n_select: int, *, reference: ArrayLike | None = None, seed: int = 0
) -> NDArray[np.int64]:
    r"""Draw rows with probabilities proportional to the squared distance to the nearest taken.

    D. Arthur and S. Vassilvitskii, *Proc. SODA*, 1027 (2007). What is taken are the reference
    rows and the rows drawn so far. Without a reference the first row is drawn evenly. Time is
    O(n d (m + n_select)).

    Parameters
    ----------
    candidates : shape (n, d), any one unit
    n_select : number of rows to pick, in [1, n]
    reference : shape (m, d), rows that count as taken already; m may be 0
    seed : the same seed draws the same rows

    Returns
    -------
    shape (n_select,), distinct rows of `candidates` in the order in which they were drawn

    Raises
    ------
    ValueError
        If a shape, a number or a value is unusable, or if fewer than `n_select` candidates
        differ from the reference and from each other: a duplicate is never drawn.
    """
    points, taken = two_feature_rows(candidates, reference, name="candidates")
    check_count(n_select, len(points))
    rng = np.random.default_rng(seed)
    nearest = Nearest(points)
    nearest.take_all(taken)
    rows = np.empty(n_select, dtype=np.int64)
    for k in range(n_select):
        weights = nearest.squared if nearest.n_taken else np.ones(len(points))
        total = np.cumsum(weights / max(float(weights.max()), 1e-300))
        if not total[-1] > 0.0:
            raise too_few(k, n_select)
        # Less than the total: the row found adds to the sum, so its weight is not zero.
        drawn = min(rng.random() * total[-1], np.nextafter(total[-1], 0.0))
        rows[k] = np.searchsorted(total, drawn, side="right")
        nearest.take(points[rows[k]])
    return rows
