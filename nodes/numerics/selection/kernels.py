r"""Kernels of features: scalar products, within bounded memory, also of an ensemble.

A kernel is given by its features, :math:`k(x, y) = \phi(x) \cdot \phi(y)`; distances are
:math:`d^2(x, y) = k(x, x) + k(y, y) - 2 k(x, y)`, those of the features. All selections work on
features, so that no matrix of all pairs is ever held.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nodes.numerics.selection.rows import feature_rows

__all__ = ["ensemble_features", "kernel_blocks"]

_MAX_BYTES = 32 * 2**20


def ensemble_features(members: Sequence[ArrayLike]) -> NDArray[np.float64]:
    r"""Features whose kernel is the mean of the kernels of the members of an ensemble.

    They stand side by side, divided by :math:`\sqrt K`, as
    :math:`\frac{1}{K} \sum_k \phi_k(x) \cdot \phi_k(y)` asks for. (The sum of the features of the
    members has another kernel, with products of different members, which may cancel.)

    Parameters
    ----------
    members : features of each of the K members, shapes (n, d_k)

    Returns
    -------
    shape (n, sum of d_k)

    Raises
    ------
    ValueError
        If there is no member, or they describe different numbers of rows.
    """
    rows = [feature_rows(member, name="features of a member") for member in members]
    if not rows or len({len(member) for member in rows}) > 1:
        raise ValueError(
            "members must be one or more, all with the same number of rows, received "
            f"{[len(member) for member in rows]} rows"
        )
    return np.concatenate(rows, axis=1) / np.sqrt(len(rows))


def kernel_blocks(
    rows: NDArray[np.float64], columns: NDArray[np.float64], *, max_bytes: int = _MAX_BYTES
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """The kernel of all rows with all columns, a few rows at a time.

    Parameters
    ----------
    rows, columns : shapes (n, d) and (m, d)
    max_bytes : memory of a block; one row is the least

    Yields
    ------
    which rows, and their kernel with all columns, shape (n_rows, m)
    """
    step = max(1, max_bytes // (8 * max(len(columns), 1)))
    for start in range(0, len(rows), step):
        part = slice(start, min(start + step, len(rows)))
        yield part, rows[part] @ columns.T
