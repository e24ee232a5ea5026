r"""Random projections: long features made short, with nearly the same scalar products.

Rows times a matrix of independent normal numbers of variance 1/q have the scalar products of the
rows with a standard deviation of at most :math:`\sqrt{2/q}\,|x||y|` (W. B. Johnson and
J. Lindenstrauss, *Contemp. Math.* **26**, 189 (1984)). The matrix is made and used block by block,
each block from a seed of its own: it is never held as a whole.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK_COLUMNS", "project"]

BLOCK_COLUMNS = 8192
"""Columns of the rows, rows of the matrix, in a block. Part of what a seed stands for."""


def project(
    rows: NDArray[np.floating], n_projections: int, *, seed: int = 0
) -> NDArray[np.float64]:
    """Rows times a matrix of normal numbers of variance 1 / n_projections.

    The same seed is the same matrix, whichever rows are projected together.

    Parameters
    ----------
    rows : shape (n, d), in float32 or float64, any one unit
    n_projections : number of columns of the result, at least 1
    seed : of the matrix

    Returns
    -------
    shape (n, n_projections)

    Raises
    ------
    ValueError
        If `n_projections` is less than 1.
    """
    if n_projections < 1:
        raise ValueError(f"n_projections must be at least 1, received {n_projections}")
    result = np.zeros((len(rows), n_projections))
    for number, start in enumerate(range(0, rows.shape[1], BLOCK_COLUMNS)):
        block = rows[:, start : start + BLOCK_COLUMNS]
        rng = np.random.default_rng([seed, number])
        normal = rng.standard_normal((block.shape[1], n_projections), dtype=np.float32)
        result += block @ normal.astype(rows.dtype, copy=False)
    return result / np.sqrt(n_projections)
