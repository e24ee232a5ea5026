"""Random crystals: cells of a lattice system, atoms pushed apart until none are too close."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.optimize import minimize

from nodes.numerics.lattices import cell_widths, reduced_basis

__all__ = [
    "LATTICE_SYSTEMS", "closest_ratio", "push_apart", "random_cell", "surely_too_dense",
]  # fmt: skip

LATTICE_SYSTEMS = (
    "cubic", "tetragonal", "orthorhombic", "hexagonal", "rhombohedral", "monoclinic", "triclinic",
)  # fmt: skip

_DENSEST_PACKING = math.pi / math.sqrt(18.0)


def random_cell(
    rng: np.random.Generator, system: str, volume: float, *, max_aspect: float = 2.5
) -> np.ndarray:
    """Random lattice vectors of a lattice system.

    Parameters
    ----------
    rng : source of random numbers
    system : one of `LATTICE_SYSTEMS`
    volume : Angstrom^3
    max_aspect : largest ratio of two edges

    Returns
    -------
    (3, 3) Angstrom, the first vector along x, the second in the plane of x and y
    """
    a, b, c = np.exp(rng.uniform(0.0, math.log(max_aspect), 3))
    angles = rng.uniform(60.0, 120.0, 3)
    if system in ("cubic", "rhombohedral"):
        a = b = c
    if system in ("tetragonal", "hexagonal"):
        a = b
    if system in ("cubic", "tetragonal", "orthorhombic"):
        angles[:] = 90.0
    elif system == "hexagonal":
        angles[:] = (90.0, 90.0, 120.0)
    elif system == "rhombohedral":
        angles[:] = 60.0 + (angles[0] - 60.0) * 50.0 / 60.0  # at 120 degrees it would be flat
    elif system == "monoclinic":
        angles[[0, 2]] = 90.0
    elif system != "triclinic":
        raise ValueError(f"system must be one of {LATTICE_SYSTEMS}, received {system!r}")
    cosine = np.cos(np.radians(angles))
    sine = math.sin(math.radians(angles[2]))
    y = (cosine[0] - cosine[1] * cosine[2]) / sine
    square = 1.0 - cosine[1] ** 2 - y**2
    if square < 0.1:  # three angles that close to no cell, or to a flat one
        return random_cell(rng, system, volume, max_aspect=max_aspect)
    cell = np.array(
        [[a, 0.0, 0.0], [b * cosine[2], b * sine, 0.0], [c * cosine[1], c * y, c * square**0.5]]
    )
    return cell * np.cbrt(volume / np.linalg.det(cell))


def push_apart(
    positions: np.ndarray, cell: np.ndarray, separations: np.ndarray, *, max_steps: int = 200
) -> np.ndarray:
    """Move atoms until all pairs, periodic images included, have their separation.

    Minimises the sum of ``(1 - d / d0)^2`` over all pairs closer than d0, which is 2 % more than
    the separation, by the L-BFGS algorithm. Whether it succeeded is seen by `closest_ratio`.

    Parameters
    ----------
    positions : (n, 3) Angstrom
    cell : (3, 3) Angstrom
    separations : (n, n) Angstrom, smallest allowed distance of each pair
    max_steps : limit on the steps

    Returns
    -------
    (n, 3) Angstrom
    """
    targets = 1.02 * separations[None]
    basis = reduced_basis(cell) @ cell
    shifts = _shifts(basis, targets.max())

    def energy(flat: np.ndarray) -> tuple[float, np.ndarray]:
        vectors, distances = _pairs(flat.reshape(-1, 3), basis, shifts)
        overlap = np.maximum(1.0 - distances / targets, 0.0)
        slopes = (-2.0 * overlap / (targets * distances))[..., None] * vectors
        return 0.5 * float((overlap**2).sum()), slopes.sum(axis=(0, 1)).ravel()

    found = minimize(
        energy, positions.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": max_steps}
    )
    return found.x.reshape(-1, 3)


def closest_ratio(positions: np.ndarray, cell: np.ndarray, separations: np.ndarray) -> float:
    """Smallest ratio of a distance to its separation, periodic images included."""
    basis = reduced_basis(cell) @ cell
    _, distances = _pairs(positions, basis, _shifts(basis, separations.max()))
    return float((distances / separations[None]).min())


def surely_too_dense(counts: np.ndarray, diameters: np.ndarray, volume: float) -> bool:
    """Whether spheres of one kind alone would need more space than the densest packing has.

    Parameters
    ----------
    counts, diameters : (k,) atoms of each element and their own smallest distance, Angstrom
    volume : Angstrom^3
    """
    filled = counts * np.pi / 6.0 * diameters**3 / volume
    return bool((filled > _DENSEST_PACKING).any())


def _shifts(cell: np.ndarray, reach: float) -> np.ndarray:
    """Lattice translations (m, 3) Angstrom that may bring images within `reach`; 0 comes first."""
    ranges = [range(-n, n + 1) for n in np.ceil(reach / cell_widths(cell)).astype(int) + 1]
    shifts = sorted(itertools.product(*ranges), key=lambda s: (max(map(abs, s)), s))
    return np.array(shifts, np.float64) @ cell


def _pairs(
    positions: np.ndarray, cell: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (m, n, n, 3) from atom i to the images of atom j, and their lengths."""
    fractions = (positions[None, :] - positions[:, None]) @ np.linalg.inv(cell)
    vectors = (fractions - np.rint(fractions)) @ cell + shifts[:, None, None]
    distances = np.linalg.norm(vectors, axis=-1)
    distances[0][np.diag_indices(len(positions))] = np.inf
    return vectors, np.maximum(distances, 1e-9)
