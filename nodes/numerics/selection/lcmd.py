"""LCMD: far from all that is taken, where many candidates are."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nodes.numerics.selection.nearest import Nearest, squared_distances, too_few
from nodes.numerics.selection.rows import check_count, two_feature_rows

__all__ = ["largest_cluster_maximum_distance"]


def largest_cluster_maximum_distance(
    candidates: ArrayLike, n_select: int, *, reference: ArrayLike | None = None
) -> NDArray[np.int64]:
    r"""Pick from the largest cluster the row that is farthest from its centre, again and again.

    D. Holzmüller et al., *J. Mach. Learn. Res.* **24**, 164 (2023): every row taken, those of the
    reference included, is the centre of a cluster; each candidate belongs to the nearest centre.
    The size of a cluster is :math:`\sum_i |x_i - y|^2` over its members; of clusters of one size
    the one taken first counts as larger. Without a reference the first pick is the row farthest
    from the mean. Time is O(n d (m + n_select)).

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
        if nearest.n_taken == 0:
            score = squared_distances(points, nearest.centre)
        else:
            sizes = np.bincount(nearest.owner, weights=nearest.squared)
            score = np.where(nearest.owner == np.argmax(sizes), nearest.squared, -1.0)
        row = int(np.argmax(score))
        if nearest.squared[row] == 0.0:
            raise too_few(k, n_select)
        rows[k] = row
        nearest.take(points[row])
    return rows
