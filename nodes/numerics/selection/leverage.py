r"""Leverage scores: how much each row of a matrix matters for its best low-rank approximation.

M. W. Mahoney and P. Drineas, *PNAS* **106**, 697 (2009): with the `k` leading left singular
vectors :math:`u^\xi` of the matrix, the score of row `i` is

.. math:: \pi_i = \frac{1}{k} \sum_{\xi=1}^{k} (u^\xi_i)^2, \qquad \sum_i \pi_i = 1.

CUR decompositions keep the rows with the highest scores, or draw rows with these probabilities.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nodes.numerics.selection.rows import feature_rows, highest_rows

__all__ = ["draw_without_replacement", "leverage_scores"]


def leverage_scores(
    features: ArrayLike,
    rank: int,
    *,
    centre: bool = True,
    kernel_exponent: float | None = None,
) -> NDArray[np.float64]:
    r"""Leverage score of every row; they add up to 1.

    Parameters
    ----------
    features : shape (n, d), any one unit
    rank : number of singular vectors that count, at least 1; never more than the rank of the
        matrix, so that vectors made of rounding errors have no say
    centre : subtract the mean row (of a kernel: in its feature space)
    kernel_exponent : score the rows of the kernel :math:`(x_i \cdot x_j)^\zeta` instead, shape
        (n, n); negative products keep their sign. Memory is O(n^2).

    Returns
    -------
    shape (n,), not negative

    Raises
    ------
    ValueError
        If a shape, a number or a value is unusable, or all rows are equal (with `centre`) or zero.
    """
    rows = feature_rows(features, name="features")
    if rank < 1:
        raise ValueError(f"rank must be at least 1, received {rank}")
    if kernel_exponent is not None and not kernel_exponent > 0:
        raise ValueError(f"kernel_exponent must be positive, received {kernel_exponent}")
    is_kernel = kernel_exponent is not None
    matrix = _kernel(rows, kernel_exponent) if is_kernel else rows
    scale = np.abs(matrix).max(initial=0.0)
    if centre:
        matrix = matrix - matrix.mean(axis=0)
        if is_kernel:
            matrix = matrix - matrix.mean(axis=1)[:, None]
    vectors, values = _left_singular_vectors(matrix, symmetric=is_kernel)
    noise = 1e-10 * max(scale * max(matrix.shape) ** 0.5, float(values[0]))
    count = min(rank, int(np.sum(values > noise)))
    if count == 0:
        raise ValueError(
            "features must differ from each other and from zero, received rows that are all alike"
        )
    return np.sum(vectors[:, :count] ** 2, axis=1) / count


def draw_without_replacement(
    log_weights: ArrayLike, n_select: int, *, seed: int
) -> NDArray[np.int64]:
    r"""Draw distinct rows one after the other, each with probability proportional to its weight.

    The rows with the largest :math:`\ln w_i + g_i`, where :math:`g_i` are Gumbel numbers, are such
    a sample: P. S. Efraimidis and P. G. Spirakis, *Inf. Process. Lett.* **97**, 181 (2006). In
    logarithms no weight underflows.

    Parameters
    ----------
    log_weights : shape (n,); minus infinity forbids a row
    n_select : number of rows to draw
    seed : the same seed draws the same rows

    Returns
    -------
    shape (n_select,), rows in the order in which they were drawn

    Raises
    ------
    ValueError
        If `n_select` is less than 1 or more than the rows whose weight is not zero.
    """
    logs = np.asarray(log_weights, dtype=np.float64)
    if np.isnan(logs).any():
        raise ValueError(
            f"weights must be numbers, received NaN in row {np.argmax(np.isnan(logs))}"
        )
    possible = int(np.sum(logs > -np.inf))
    if not 1 <= n_select <= possible:
        raise ValueError(
            f"n_select must be in [1, {possible}], the number of rows that may be drawn, "
            f"received {n_select}"
        )
    noise = np.random.default_rng(seed).gumbel(size=len(logs))
    return highest_rows(logs + noise, n_select)


def _kernel(rows: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    products = rows @ rows.T
    return np.sign(products) * np.abs(products) ** exponent


def _left_singular_vectors(
    matrix: NDArray[np.float64], *, symmetric: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Left singular vectors (n, k) and singular values (k,), the largest first."""
    if symmetric:
        eigenvalues, vectors = np.linalg.eigh(matrix)
        order = np.argsort(-np.abs(eigenvalues), kind="stable")
        return vectors[:, order], np.abs(eigenvalues)[order]
    vectors, values, _ = np.linalg.svd(matrix, full_matrices=False)
    return vectors, values
