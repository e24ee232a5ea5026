"""Velocities, temperature and degrees of freedom.

Velocities are in Angstrom per unit of time (see `units`), as in ASE.
"""

from __future__ import annotations

import numpy as np

from nodes.numerics.md.settings import Ensemble
from nodes.numerics.units import KB

__all__ = ["degrees_of_freedom", "maxwell_boltzmann", "remove_drift", "temperature_k"]


def degrees_of_freedom(n_atoms: int, ensemble: Ensemble) -> int:
    """3 N - 3 for 'nve', which conserves a total momentum of zero; 3 N for Langevin dynamics.

    At least 1, so that the temperature of a single atom is defined.
    """
    return max(3 * n_atoms - 3, 1) if ensemble == "nve" else 3 * n_atoms


def remove_drift(velocities: np.ndarray, masses_amu: np.ndarray) -> np.ndarray:
    """Velocities (n, 3) relative to the centre of mass."""
    return velocities - (masses_amu @ velocities) / masses_amu.sum()


def maxwell_boltzmann(masses_amu: np.ndarray, temperature_k: float, seed: int) -> np.ndarray:
    """Velocities (n, 3) drawn from the Maxwell-Boltzmann distribution."""
    normal = np.random.default_rng(seed).normal(size=(len(masses_amu), 3))
    return normal * np.sqrt(KB * temperature_k / masses_amu)[:, None]


def temperature_k(velocities: np.ndarray, masses_amu: np.ndarray, dof: int) -> np.ndarray:
    """Kinetic temperature in K of velocities (..., n, 3)."""
    squares = np.sum(np.square(velocities, dtype=np.float64), axis=-1)
    return squares @ np.asarray(masses_amu, np.float64) / (dof * KB)
