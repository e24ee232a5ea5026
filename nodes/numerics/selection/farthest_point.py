"""Farthest points: cover the space of features (MaxDist)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nodes.numerics.selection.nearest import Nearest, squared_distances, too_few
from nodes.numerics.selection.rows import check_count, two_feature_rows

__all__ = ["farthest_point"]


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
    points, taken = two_feature_rows(candidates, reference, name="candidates")
    check_count(n_select, len(points))
    nearest = Nearest(points)
    nearest.take_all(taken)
    rows = np.empty(n_select, dtype=np.int64)
    for k in range(n_select):
        first = k == 0 and len(taken) == 0
        score = squared_distances(points, nearest.centre) if first else nearest.squared
        row = int(np.argmax(score))
        if nearest.squared[row] == 0.0:
            raise too_few(k, n_select)
        rows[k] = row
        nearest.take(points[row])
    return rows
