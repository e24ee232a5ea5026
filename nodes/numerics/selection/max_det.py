"""MaxDet: what a linear model in the features is least certain of."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nodes.numerics.selection.nearest import too_few
from nodes.numerics.selection.rows import check_count, equal_groups, two_feature_rows

__all__ = ["max_det"]


def max_det(
    candidates: ArrayLike,
    n_select: int,
    *,
    reference: ArrayLike | None = None,
    regularisation: float = 1e-6,
) -> NDArray[np.int64]:
    r"""Pick rows greedily so that the determinant of their kernel matrix grows the most.

    With the kernel :math:`k(x, y) = x \cdot y` and the noise :math:`\sigma^2`, each step maximises
    :math:`\det(K_{SS} + \sigma^2 I)` over the rows taken, which is to take the row of highest
    posterior variance of a Gaussian process that has seen them, the reference included. Ties take
    the lower row. Features are not centred: give them centred for variances about the mean.

    The posterior is kept as its d x d covariance of weights: time is O(n d + d^2) for each pick
    and O(m d^2 + d^3) before, memory O(n d + d^2); d counts no more than n + m.

    Parameters
    ----------
    candidates : shape (n, d), any one unit
    n_select : number of rows to pick, in [1, n]
    reference : shape (m, d), rows that count as taken already; m may be 0
    regularisation : :math:`\sigma^2` over the mean squared length of all rows, positive

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
    if not regularisation > 0.0:
        raise ValueError(f"regularisation must be positive, received {regularisation}")
    everything = np.concatenate([points, taken])
    groups = equal_groups(everything)
    free = ~np.isin(groups[: len(points)], groups[len(points) :])
    if everything.shape[1] > len(everything):
        # Coordinates in the space of the rows: fewer, with the same scalar products.
        everything = np.asarray(np.linalg.qr(everything.T, mode="r")).T
        points, taken = everything[: len(points)], everything[len(points) :]
    scale = float(np.mean(np.einsum("nd,nd->n", everything, everything))) or 1.0
    noise = regularisation * scale
    covariance = _posterior_covariance(taken, noise)
    variance = np.einsum("nd,nd->n", points @ covariance, points)

    rows = np.empty(n_select, dtype=np.int64)
    for k in range(n_select):
        row = int(np.argmax(np.where(free, variance, -np.inf)))
        if not free[row]:
            raise too_few(k, n_select)
        rows[k] = row
        free &= groups[: len(points)] != groups[row]
        gain = covariance @ points[row]
        total = noise + max(float(points[row] @ gain), 0.0)
        variance -= (points @ gain) ** 2 / total
        covariance -= np.outer(gain, gain / total)
    return rows


def _posterior_covariance(taken: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """Covariance of the weights, (d, d), of unit prior after `taken` was seen with noise."""
    _, values, directions = np.linalg.svd(taken, full_matrices=False)
    covariance = np.eye(taken.shape[1])
    shrink = values**2 / (values**2 + noise)
    return covariance - (directions.T * shrink) @ directions
