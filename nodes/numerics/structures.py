"""Structure: what the numerics need to know of an atomic configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Structure"]


@dataclass(frozen=True, eq=False)
class Structure:
    """An atomic configuration with optional labels, as plain NumPy arrays.

    Parameters
    ----------
    numbers : (n,) int
        Atomic numbers.
    positions : (n, 3) float, Angstrom
        Cartesian; they need not lie inside the cell.
    cell : (3, 3) float, Angstrom
        Lattice vectors as rows. Rows of non-periodic directions are ignored and may be zero.
    pbc : (3,) bool
        Which directions are periodic.
    energy : float or None, eV
        Label of the whole configuration.
    forces : (n, 3) float or None, eV/Angstrom
        Labels of the atoms.
    stress : (3, 3) float or None, eV/Angstrom^3
        Label of a fully periodic configuration: dE/d(strain) / volume, positive under tension.
    properties : mapping of arrays
        Further labels by name; first axis n for properties of atoms.

    Raises
    ------
    ValueError
        If shapes disagree, numbers are not positive, or an array holds NaN or infinity.
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    energy: float | None = None
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None
    properties: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = np.asarray(self.numbers, np.int32).reshape(-1)
        positions = _finite("positions", self.positions, (len(numbers), 3))
        cell = _finite("cell", self.cell, (3, 3))
        pbc = np.broadcast_to(np.asarray(self.pbc, bool), (3,)).copy()
        if len(numbers) == 0 or numbers.min() < 1:
            raise ValueError(
                f"numbers must be atomic numbers of at least one atom, received {numbers}"
            )
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "cell", cell)
        object.__setattr__(self, "pbc", pbc)
        if self.energy is not None:
            object.__setattr__(self, "energy", float(_finite("energy", self.energy, ())))
        if self.forces is not None:
            object.__setattr__(self, "forces", _finite("forces", self.forces, positions.shape))
        if self.stress is not None:
            object.__setattr__(self, "stress", _finite("stress", self.stress, (3, 3)))
        labels = {name: _finite(name, v, np.shape(v)) for name, v in self.properties.items()}
        object.__setattr__(self, "properties", labels)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def volume(self) -> float | None:
        """Volume in Angstrom^3, None unless all three directions are periodic."""
        return float(abs(np.linalg.det(self.cell))) if self.pbc.all() else None


def _finite(name: str, value: object, shape: tuple[int, ...]) -> np.ndarray:
    array = np.array(value, np.float64)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, received {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, received NaN or infinity; drop the structure")
    return array
