"""Which rows to pick: by their features, by their values, or by chance.

Every function returns exactly the number of distinct rows that was asked for, or raises. Those
that pick by features take the rows that are known already, the training set, as `reference`: they
keep away from it as from their own picks, and never pick a duplicate of either.

- `rows`: evenly spaced rows or values, values above a threshold, random rows, equal rows.
- `farthest_point`: cover the space of features (MaxDist).
- `lcmd`: the farthest row of the largest cluster.
- `kmeans_plus_plus`: random, with the squared distance as weight.
- `max_det`: highest posterior variance of a linear model, that is the largest determinant.
- `leverage`: leverage scores of a CUR decomposition, and drawing by weights.
- `nearest`: distances to the nearest row taken, or of a reference.
- `kernels`: kernels block by block, and the kernel of an ensemble.
- `projections`: long features made short by random projection.
"""

from nodes.numerics.selection.farthest_point import farthest_point
from nodes.numerics.selection.kernels import ensemble_features, kernel_blocks
from nodes.numerics.selection.kmeans_plus_plus import kmeans_plus_plus
from nodes.numerics.selection.lcmd import largest_cluster_maximum_distance
from nodes.numerics.selection.leverage import draw_without_replacement, leverage_scores
from nodes.numerics.selection.max_det import max_det
from nodes.numerics.selection.nearest import close_pairs, nearest_reference, pick_distances
from nodes.numerics.selection.projections import project
from nodes.numerics.selection.rows import (
    highest_rows,
    random_rows,
    rows_above,
    rows_present,
    spread_rows,
    uniform_rows,
)

__all__ = [
    "close_pairs", "draw_without_replacement", "ensemble_features", "farthest_point",
    "highest_rows", "kernel_blocks", "kmeans_plus_plus", "largest_cluster_maximum_distance",
    "leverage_scores", "max_det", "nearest_reference", "pick_distances", "project", "random_rows",
    "rows_above", "rows_present", "spread_rows", "uniform_rows",
]  # fmt: skip
