r"""Maps of many features onto a few coordinates, to be looked at.

- `principal_components`: the linear map that keeps the most variance.
- `spectral_map`: a map that keeps neighbours together (Laplacian eigenmaps).

Both are exact and without chance: the same rows give the same map.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from scipy.spatial import KDTree

from nodes.numerics.selection.rows import feature_rows

__all__ = ["principal_components", "spectral_map"]


def principal_components(
    rows: ArrayLike, n_components: int = 2
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates along the directions of largest variance.

    Parameters
    ----------
    rows : shape (n, d), any one unit
    n_components : number of coordinates; those beyond the rank of the rows are zero

    Returns
    -------
    coordinates, shape (n, n_components), same unit; each with the sign that makes the largest
        entry of its direction positive
    share of the variance of each, shape (n_components,)

    Raises
    ------
    ValueError
        If there is no row, a value is not finite, or `n_components` is less than 1.
    """
    points = _points(rows, n_components)
    _, values, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    largest = np.argmax(np.abs(directions), axis=1)
    signs = np.where(directions[np.arange(len(directions)), largest] < 0, -1.0, 1.0)
    count = min(n_components, len(values))
    coordinates, share = np.zeros((len(points), n_components)), np.zeros(n_components)
    directions = directions[:count] * signs[:count, None]
    coordinates[:, :count] = (points - points.mean(axis=0)) @ directions.T
    share[:count] = values[:count] ** 2 / max(float(np.sum(values**2)), 1e-300)
    return coordinates, share


def spectral_map(
    rows: ArrayLike, n_components: int = 2, *, n_neighbors: int = 15
) -> NDArray[np.float64]:
    r"""Coordinates that keep neighbours together: Laplacian eigenmaps.

    M. Belkin and P. Niyogi, *Neural Comput.* **15**, 1373 (2003): the eigenvectors of the lowest
    eigenvalues above zero of :math:`L y = \lambda D y`, where :math:`L = D - W` and :math:`W_{ij} =
    \exp(-d_{ij}^2 / 2 s_i s_j)` if one of the two rows is among the nearest neighbours of the
    other; :math:`s_i` is the distance of row i to the farthest of its neighbours. Parts that no
    neighbour connects are joined by their shortest link. Distances on the map mean little; who is
    near whom means much.

    Parameters
    ----------
    rows : shape (n, d), any one unit; n more than n_components + 1
    n_components : number of coordinates
    n_neighbors : nearest neighbours of each row, at most n - 1 are taken

    Returns
    -------
    shape (n, n_components), without unit, each coordinate of variance 1; signs are arbitrary but
        the same for the same rows

    Raises
    ------
    ValueError
        If there are too few rows, a value is not finite, or a number is out of range.
    """
    points = _points(rows, n_components)
    if len(points) < n_components + 2 or n_neighbors < 1:
        raise ValueError(
            f"rows must be at least {n_components + 2} and n_neighbors at least 1, received "
            f"{len(points)} and {n_neighbors}"
        )
    weights = _neighbor_weights(points, min(n_neighbors, len(points) - 1))
    degree = np.asarray(weights.sum(axis=1)).ravel()
    scale = diags(1.0 / np.sqrt(degree))
    normalised = scale @ weights @ scale
    count = n_components + 1
    if len(points) <= 200:
        values, vectors = np.linalg.eigh(normalised.toarray())
    else:
        start = np.random.default_rng(0).normal(size=len(points))
        values, vectors = eigsh(normalised, k=count, which="LA", v0=start)
    chosen = np.argsort(-values, kind="stable")[1:count]
    coordinates = vectors[:, chosen] / np.sqrt(degree)[:, None]
    coordinates -= coordinates.mean(axis=0)
    coordinates /= np.maximum(coordinates.std(axis=0), 1e-300)
    largest = np.argmax(np.abs(coordinates), axis=0)
    return coordinates * np.sign(coordinates[largest, np.arange(n_components)])


def _points(rows: ArrayLike, n_components: int) -> NDArray[np.float64]:
    points = feature_rows(rows, name="rows")
    if not len(points) or n_components < 1:
        raise ValueError(
            f"rows and n_components must be at least 1, received {len(points)} and {n_components}"
        )
    return points


def _neighbor_weights(points: NDArray[np.float64], n_neighbors: int) -> csr_matrix:
    """Symmetric weights (n, n) of neighbours, in one connected part."""
    n = len(points)
    distances, neighbors = KDTree(points).query(points, k=n_neighbors + 1)
    spread = float(np.linalg.norm(points - points.mean(axis=0), axis=1).max())
    reach = np.maximum(distances[:, -1], 1e-6 * (spread or 1.0))  # a crowd of equal rows has none
    first = np.repeat(np.arange(n), n_neighbors + 1)
    second = neighbors.ravel()
    values = np.exp(-(distances.ravel() ** 2) / (2.0 * reach[first] * reach[second]))
    matrix = coo_matrix((values, (first, second)), shape=(n, n)).tocsr()
    matrix = csr_matrix(matrix.maximum(matrix.T))
    matrix.setdiag(0.0)
    matrix.eliminate_zeros()
    return _joined(points, matrix)


def _joined(points: NDArray[np.float64], matrix: csr_matrix) -> csr_matrix:
    """Link each part that stands alone to the nearest row outside of it, until all hang together.

    The link weighs as much as a link to the farthest neighbour, exp(-1/2).
    """
    while True:
        count, label = connected_components(matrix, directed=False)
        if count == 1:
            return matrix
        links = []
        for part in range(count):
            inside, outside = np.flatnonzero(label == part), np.flatnonzero(label != part)
            found = KDTree(points[outside]).query(points[inside])
            distance, nearest = np.asarray(found[0]), np.asarray(found[1])
            best = int(np.argmin(distance))
            links.append((inside[best], outside[nearest[best]]))
        i, j = np.array(links).T
        link = coo_matrix((np.full(len(i), np.exp(-0.5)), (i, j)), shape=matrix.shape).tocsr()
        matrix = csr_matrix(matrix.maximum(link).maximum(link.T))
