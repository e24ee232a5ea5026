"""The lower convex hull of energies over coordinates such as composition and volume."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull

__all__ = ["distance_above_hull"]

_FLAT = 1e-10  # relative size below which an extent or a slope is rounding error


def distance_above_hull(coordinates: ArrayLike, energies: ArrayLike) -> NDArray[np.float64]:
    r"""Energy of every point above the lower convex hull of all points.

    The hull at `x` is the least energy of any mixture of the points,
    :math:`\min_\lambda \sum_i \lambda_i e_i` with :math:`\sum_i \lambda_i x_i = x`,
    :math:`\sum_i \lambda_i = 1`, :math:`\lambda_i \ge 0`. It is the upper envelope of the planes
    of its facets, which Qhull finds: C. B. Barber et al., *ACM Trans. Math. Softw.* **22**, 469
    (1996). Coordinates may depend on each other linearly, as fractions that add up to one do.

    Parameters
    ----------
    coordinates : shape (n, d), any units; columns are scaled to their spread
    energies : shape (n,), any unit; adding an affine function of the coordinates changes nothing

    Returns
    -------
    shape (n,), in the unit of `energies`, not negative, exactly zero for points on the hull

    Raises
    ------
    ValueError
        If shapes disagree, there is no point, or a value is not finite.
    """
    points = np.asarray(coordinates, dtype=np.float64)
    heights = np.asarray(energies, dtype=np.float64)
    if points.ndim != 2 or heights.shape != points.shape[:1] or len(points) == 0:
        raise ValueError(
            "coordinates and energies must have shapes (n, d) and (n,) with at least one point, "
            f"received {points.shape} and {heights.shape}"
        )
    if not (np.isfinite(points).all() and np.isfinite(heights).all()):
        raise ValueError("coordinates and energies must be finite, received NaN or infinity")
    axes = _independent(points)
    plane = np.column_stack([axes, np.ones(len(axes))])
    rest = heights - plane @ np.linalg.lstsq(plane, heights)[0]
    scale = np.abs(rest).max()
    if axes.shape[1] == 0:
        return heights - heights.min()
    if scale <= _FLAT * max(1.0, np.abs(heights).max()):
        return np.zeros(len(heights))
    return scale * _above(axes, rest / scale)


def _independent(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coordinates along the independent directions of the points, of the order of one."""
    centred = points - points.mean(axis=0)
    spread = np.abs(centred).max(axis=0)
    constant = spread <= _FLAT * np.maximum(1.0, np.abs(points).max(axis=0))
    scaled = centred / np.where(constant, np.inf, spread)
    vectors, values, _ = np.linalg.svd(scaled, full_matrices=False)
    kept = values > _FLAT * max(1.0, float(values.max(initial=0.0)))
    return vectors[:, kept] * len(points) ** 0.5


def _above(axes: NDArray[np.float64], heights: NDArray[np.float64]) -> NDArray[np.float64]:
    hull = ConvexHull(np.column_stack([axes, heights]))
    # Of the facet normal . x + slope * height + offset = 0 the normals point outwards.
    facets = hull.equations[hull.equations[:, -2] < -_FLAT]
    normals, slopes, offsets = facets[:, :-2], facets[:, -2], facets[:, -1]
    envelope = np.full(len(axes), -np.inf)
    for normal, slope, offset in zip(normals, slopes, offsets, strict=True):
        np.maximum(envelope, -(axes @ normal + offset) / slope, out=envelope)
    above = heights - envelope
    return np.where(above > _FLAT, above, 0.0)
