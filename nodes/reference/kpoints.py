"""Points of the Brillouin zone for cells that are periodic along some axes only."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

__all__ = ["check_kpoints", "gamma_grid", "kpoints"]


def kpoints(
    atoms: Atoms,
    *,
    spacing_per_angstrom: float | None = None,
    grid: Sequence[int] | None = None,
) -> tuple[int, int, int]:
    """Return the numbers of k-points along the reciprocal vectors, for a grid that holds Gamma.

    There is one point along every axis that is not periodic, so that a molecule gets Gamma alone.

    Parameters
    ----------
    atoms : a structure
    spacing_per_angstrom : largest distance of neighbouring points, with the factor 2 pi of the
        reciprocal lattice
    grid : the numbers themselves, instead

    Raises
    ------
    ValueError
        If both are given, one is not positive, or a periodic axis has no length.
    """
    check_kpoints(spacing_per_angstrom, grid)
    periodic = np.asarray(atoms.pbc, bool)
    if not periodic.any():
        return 1, 1, 1
    numbers = np.ones(3, int)
    if grid is not None:
        numbers = np.asarray(grid, int)
    elif spacing_per_angstrom is not None:
        # Vacuum that was left out is filled in, for the reciprocal vectors need three axes.
        cell = atoms.cell.complete()
        if atoms.cell.lengths()[periodic].min() == 0:
            raise ValueError(
                f"periodic axes must have a length, received cell lengths {atoms.cell.lengths()} "
                f"with pbc {atoms.pbc}"
            )
        lengths = 2 * np.pi * np.linalg.norm(cell.reciprocal(), axis=1)
        # A length that is a multiple of the spacing must not get one point more by rounding.
        numbers = np.maximum(1, np.ceil(lengths / spacing_per_angstrom - 1e-6).astype(int))
    first, second, third = np.where(periodic, numbers, 1).tolist()
    return first, second, third


def check_kpoints(spacing_per_angstrom: float | None, grid: Sequence[int] | None) -> None:
    """Raise ValueError if the settings of :func:`kpoints` cannot be used."""
    if spacing_per_angstrom is not None and grid is not None:
        raise ValueError(
            "k-points must be given by their spacing or by their grid, received "
            f"both {spacing_per_angstrom} and {tuple(grid)}; leave one of them out"
        )
    if spacing_per_angstrom is not None and spacing_per_angstrom <= 0:
        raise ValueError(
            f"the spacing of k-points must be positive, received {spacing_per_angstrom}"
        )
    if grid is not None and (len(grid) != 3 or min(grid) < 1):
        raise ValueError(f"a grid of k-points must be 3 positive numbers, received {tuple(grid)}")


def gamma_grid(numbers: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of a grid that holds Gamma, one of each pair k and -k, and their weights.

    Parameters
    ----------
    numbers : of points along the three axes

    Returns
    -------
    points : float (n_points, 3), fractions of the reciprocal vectors in (-1/2, 1/2]
    weights : float (n_points,), their sum is 1
    """
    counts = np.asarray(numbers)
    indices = np.indices(tuple(counts)).reshape(3, -1).T
    opposite = (-indices) % counts
    rank = np.asarray(np.ravel_multi_index(indices.T, tuple(counts)))
    other = np.ravel_multi_index(opposite.T, tuple(counts))
    first = rank <= other
    weights = np.where(rank == other, 1.0, 2.0)[first] / len(rank)
    points = indices[first] / counts
    return np.where(points > 0.5, points - 1.0, points), weights
