r"""Rotation-invariant features of the neighbourhood of atoms, without anything learned.

For every atom, every element of its neighbours and every radial function :math:`B_n`, the moments
of rank :math:`l = 0 \ldots 3`,

.. math:: M^{(l)}_s = \sum_j B_n(r_j) \, \hat r_j \otimes \ldots \otimes \hat r_j,

are contracted with each other: `s` is an element and a radial function. These are the first four
families of V. Zaverkin and J. Kästner, *J. Chem. Theory Comput.* **16**, 5410 (2020), before any
radial function is learned. In NumPy and float64: the features of a structure do not depend on
which other structures are described beside it.
"""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_RANK", "moment_features", "n_moment_features", "radial_basis"]

MAX_RANK = 3

_AXES = [list(itertools.combinations_with_replacement(range(3), rank)) for rank in range(4)]
"""For each rank the distinct components of a symmetric tensor."""


def radial_basis(r: NDArray[np.float64], n_radial: int, cutoff: float) -> NDArray[np.float64]:
    r"""Smooth radial functions times the cosine cutoff, shape (n, n_radial).

    E. Kocer, J. K. Mason and H. Erturk, *J. Chem. Phys.* **150**, 154102 (2019):
    with :math:`x = \pi r / r_c`, :math:`B_n = (-1)^n \sqrt 2 \pi r_c^{-3/2}
    [\mathrm{sinc}((n+1) x) + \mathrm{sinc}((n+2) x)]`.

    Parameters
    ----------
    r : (n,), Angstrom, below the cutoff
    n_radial : number of functions
    cutoff : Angstrom
    """
    x = np.asarray(r)[:, None] / cutoff
    n = np.arange(n_radial)
    waves = np.sinc((n + 1) * x) + np.sinc((n + 2) * x)  # NumPy's sinc(z) is sin(pi z) / (pi z)
    envelope = 0.5 * (1.0 + np.cos(math.pi * x))
    return (-1.0) ** n * math.sqrt(2.0) * math.pi * cutoff**-1.5 * waves * envelope


def n_moment_features(n_elements: int, n_radial: int, max_rank: int) -> int:
    """Number of features of one atom that `moment_features` returns."""
    s = n_elements * n_radial
    return s + max_rank * s * (s + 1) // 2


def moment_features(
    receivers: NDArray[np.int64],
    species: NDArray[np.int64],
    vectors: NDArray[np.float64],
    *,
    n_atoms: int,
    n_elements: int,
    cutoff: float,
    n_radial: int,
    max_rank: int,
) -> NDArray[np.float64]:
    r"""Invariants of every atom.

    Columns: :math:`M^{(0)}_s`, then for each rank from 1 the products :math:`M_s : M_t` with
    :math:`s \le t`. Those with :math:`s < t` are multiplied by :math:`\sqrt 2`, so that scalar
    products of features are those of the full symmetric matrices.

    Parameters
    ----------
    receivers : (n_edges,), the atom that an edge starts from
    species : (n_edges,), element of the atom where it ends, in [0, n_elements)
    vectors : (n_edges, 3), Angstrom, shorter than the cutoff and not zero
    n_atoms, n_elements, n_radial, max_rank : sizes; max_rank in [0, 3]
    cutoff : Angstrom

    Returns
    -------
    shape (n_atoms, n_moment_features(...)); zeros for an atom without neighbours
    """
    n_channels = n_elements * n_radial
    r = np.linalg.norm(vectors, axis=1)
    radial = radial_basis(r, n_radial, cutoff)
    monomials, multiplicity = _monomials(vectors / r[:, None], max_rank)
    values = radial[:, :, None] * monomials[:, None, :]
    sums = np.zeros((n_atoms * n_elements, *values.shape[1:]))
    key = receivers * n_elements + species
    order = np.argsort(key, kind="stable")
    filled, starts = np.unique(key[order], return_index=True)
    if len(filled):
        sums[filled] = np.add.reduceat(values[order], starts, axis=0)
    moments = sums.reshape(n_atoms, n_channels, monomials.shape[1])
    upper = np.triu_indices(n_channels)
    weight = np.where(upper[0] == upper[1], 1.0, math.sqrt(2.0))
    columns = [moments[:, :, 0]]
    start = 1
    for rank in range(1, max_rank + 1):
        part = slice(start, start + len(_AXES[rank]))
        tensor = moments[:, :, part]
        products = (tensor * multiplicity[part]) @ np.swapaxes(tensor, 1, 2)
        columns.append(products[:, *upper] * weight)
        start = part.stop
    return np.concatenate(columns, axis=1)


def _monomials(
    unit: NDArray[np.float64], max_rank: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Products of components of unit vectors (n, m), and how often each occurs in its tensor."""
    columns: list[NDArray[np.float64]] = []
    multiplicity: list[float] = []
    for rank in range(max_rank + 1):
        for axes in _AXES[rank]:
            columns.append(np.prod(unit[:, axes], axis=1))
            multiplicity.append(len(set(itertools.permutations(axes))))
    return np.stack(columns, axis=1), np.array(multiplicity)
