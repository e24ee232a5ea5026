"""Harmonic vibrations: Hessians, frequencies, thermal displacements.

Hessians are in eV/Angstrom^2, masses in u. Mass-weighted coordinates are ``q = sqrt(m) x``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nodes.numerics.units import FS, KB

__all__ = [
    "NormalModes", "harmonic_thermodynamics", "hessian_from_forces", "normal_modes",
    "thermal_widths",
]  # fmt: skip

_SPEED_OF_LIGHT_CM_PER_FS = 2.99792458e-5
_PER_CM = FS / (2.0 * math.pi * _SPEED_OF_LIGHT_CM_PER_FS)
"""Wave number, 1/cm, of one unit of angular frequency sqrt(eV/u)/Angstrom."""

_PLANCK_EV_PER_THZ = 4.135667696e-3

_HBAR = 0.6582119569 * FS
"""Reduced Planck constant (CODATA 2018), eV times the unit of time."""


@dataclass(frozen=True, eq=False)
class NormalModes:
    """Vibrations of one structure.

    Parameters
    ----------
    angular : (m,) angular frequencies in sqrt(eV/u)/Angstrom, ascending; imaginary ones negative
    displacements : (m, n, 3) Cartesian displacements in Angstrom for a unit of ``q``
    """

    angular: np.ndarray
    displacements: np.ndarray

    @property
    def frequencies_per_cm(self) -> np.ndarray:
        """Wave numbers in 1/cm, shape (m,); imaginary ones are negative."""
        return self.angular * _PER_CM


def hessian_from_forces(plus: np.ndarray, minus: np.ndarray, step_angstrom: float) -> np.ndarray:
    """Second derivatives of the energy by central differences.

    Parameters
    ----------
    plus, minus : (n, 3, n, 3) eV/Angstrom
        Forces on all atoms when coordinate [atom, axis] is moved by plus or minus the step.
    step_angstrom : the step

    Returns
    -------
    (3 n, 3 n) eV/Angstrom^2, symmetric
    """
    size = plus.shape[0] * 3
    hessian = (minus - plus).reshape(size, size) / (2.0 * step_angstrom)
    return 0.5 * (hessian + hessian.T)


def normal_modes(
    hessian: np.ndarray, masses: np.ndarray, positions: np.ndarray, *, rotations: bool
) -> NormalModes:
    """Vibrations without rigid motion, which is projected out.

    Parameters
    ----------
    hessian : (3 n, 3 n) eV/Angstrom^2
    masses : (n,) u
    positions : (n, 3) Angstrom
    rotations : whether rotations are rigid motion too: for molecules, not for crystals
    """
    weights = np.repeat(np.sqrt(masses), 3)
    rigid = np.tile(np.eye(3), (len(masses), 1))
    if rotations:
        arms = positions - np.average(positions, axis=0, weights=masses)
        turns = [np.cross(axis, arms).reshape(-1, 1) for axis in np.eye(3)]
        rigid = np.hstack([rigid, *turns])
    left, sizes, _ = np.linalg.svd(weights[:, None] * rigid)
    inner = left[:, np.count_nonzero(sizes > 1e-6 * sizes.max()) :]
    weighted = hessian / np.outer(weights, weights)
    squares, vectors = np.linalg.eigh(inner.T @ weighted @ inner)
    modes = (inner @ vectors).T / weights
    return NormalModes(
        np.sign(squares) * np.sqrt(np.abs(squares)), modes.reshape(-1, len(masses), 3)
    )


def thermal_widths(modes: NormalModes, temperature_k: float, *, quantum: bool) -> np.ndarray:
    """Standard deviations of the mass-weighted coordinates at a temperature, shape (m,).

    Classical ``sqrt(kT) / w``; quantum ``sqrt(hbar / (2 w) coth(hbar w / (2 kT)))``, which at 0 K
    is the motion of the zero point. All frequencies must be above 0.
    """
    angular = modes.angular
    if not quantum:
        return math.sqrt(KB * temperature_k) / angular
    if temperature_k == 0:
        return np.sqrt(_HBAR / (2.0 * angular))
    return np.sqrt(_HBAR / (2.0 * angular) / np.tanh(_HBAR * angular / (2.0 * KB * temperature_k)))


def harmonic_thermodynamics(
    frequencies_thz: np.ndarray, weights: np.ndarray, temperatures_k: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Free energy, entropy and heat capacity of harmonic oscillators.

    Parameters
    ----------
    frequencies_thz : (q, m); those below 1e-3 THz, imaginary ones included, are left out
    weights : (q,) of the wave vectors, normalised here
    temperatures_k : (t,)

    Returns
    -------
    free_energy : (t,) eV, with the energy of the zero point
    entropy : (t,) eV/K
    heat_capacity : (t,) eV/K, at constant volume
    """
    shares = np.broadcast_to((weights / weights.sum())[:, None], frequencies_thz.shape)
    bound = frequencies_thz > 1e-3
    quanta, shares = _PLANCK_EV_PER_THZ * frequencies_thz[bound], shares[bound]
    free, entropy, heat = np.empty((3, len(temperatures_k)))
    for k, temperature in enumerate(temperatures_k):
        # At 0 K any temperature that leaves all levels empty gives the same.
        thermal = KB * max(float(temperature), 1e-2)
        ratio = quanta / thermal
        filled = np.exp(-ratio)
        empty = -np.expm1(-ratio)
        free[k] = shares @ (0.5 * quanta + thermal * np.log(empty))
        entropy[k] = KB * (shares @ (ratio * filled / empty - np.log(empty)))
        heat[k] = KB * (shares @ (ratio**2 * filled / empty**2))
    return free, entropy, heat
