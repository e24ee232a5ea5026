"""RelaxSettings: what a relaxation is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nodes.numerics.relax.optimizers import OPTIMIZERS, Optimizer
from nodes.numerics.relax.strain import CELL_MODES

__all__ = ["RelaxSettings"]


@dataclass(frozen=True)
class RelaxSettings:
    """Settings of `relax_many`.

    Parameters
    ----------
    fmax_ev_per_angstrom : float
        Converged when no atom that may move feels a larger force.
    max_steps : int
        Limit on the number of steps of each structure.
    optimizer : str or Optimizer
        'LBFGS', 'FIRE', or an object of `optimizers` with numbers of its own.
    relax_cell : str
        'none'; 'full' (volume and shape); 'isotropic' (volume alone); 'fixed_volume' (shape alone).
    cell_mask : tuple of 6 bool
        Which strains are free, in the order xx, yy, zz, yz, xz, xy: (0, 0, 1, 0, 0, 0) lets a cell
        grow along z alone.
    pressure_gpa : float
        That cells are relaxed under.
    smax_gpa : float
        A cell is converged when no free component of its stress is farther from the pressure.
    batch_size : int
        Structures that are relaxed side by side.
    steps_per_block : int
        Steps between two looks of the host, which puts waiting structures where others are done.
    skin_angstrom : float
        Margin of the neighbour lists; changes nothing but the speed.

    Raises
    ------
    ValueError
        If a setting is out of range, or settings do not fit together.
    """

    fmax_ev_per_angstrom: float = 0.05
    max_steps: int = 500
    optimizer: str | Optimizer = "LBFGS"
    relax_cell: Literal["none", "full", "isotropic", "fixed_volume"] = "none"
    cell_mask: tuple[bool, ...] = (True,) * 6
    pressure_gpa: float = 0.0
    smax_gpa: float = 0.1
    batch_size: int = 16
    steps_per_block: int = 25
    skin_angstrom: float = 0.3

    def __post_init__(self) -> None:
        object.__setattr__(self, "cell_mask", tuple(bool(free) for free in self.cell_mask))
        for name in ("fmax_ev_per_angstrom", "smax_gpa", "skin_angstrom"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, received {getattr(self, name)}")
        for name, least in (("max_steps", 0), ("batch_size", 1), ("steps_per_block", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, received {getattr(self, name)}")
        if isinstance(self.optimizer, str) and self.optimizer not in OPTIMIZERS:
            known = ", ".join(OPTIMIZERS)
            raise ValueError(f"optimizer must be one of {known}, received {self.optimizer!r}")
        if self.relax_cell not in CELL_MODES:
            known = ", ".join(CELL_MODES)
            raise ValueError(f"relax_cell must be one of {known}, received {self.relax_cell!r}")
        self._check_cell()

    def _check_cell(self) -> None:
        mask, mode = self.cell_mask, self.relax_cell
        if len(mask) != 6 or not any(mask):
            raise ValueError(
                f"cell_mask must be 6 values (xx, yy, zz, yz, xz, xy), not all false, received "
                f'{mask}; a fixed cell is relax_cell="none"'
            )
        if mode == "none" and (self.pressure_gpa or not all(mask)):
            raise ValueError(
                f"pressure_gpa and cell_mask must be left alone for a fixed cell, received "
                f'{self.pressure_gpa} and {mask}; set relax_cell="full" or "isotropic"'
            )
        if mode == "isotropic" and not any(mask[:3]):
            raise ValueError(f"cell_mask must leave some of xx, yy, zz free, received {mask}")
        if mode == "fixed_volume" and self.pressure_gpa:
            raise ValueError(
                f"pressure_gpa must be 0 for a fixed volume, received {self.pressure_gpa}"
            )

    @property
    def changes_cell(self) -> bool:
        """Whether cells change."""
        return self.relax_cell != "none"

    @property
    def method(self) -> Optimizer:
        """The optimizer itself."""
        return OPTIMIZERS[self.optimizer] if isinstance(self.optimizer, str) else self.optimizer

    @property
    def strain_mask(self) -> np.ndarray:
        """The mask as a symmetric matrix (3, 3) of 0 and 1."""
        xx, yy, zz, yz, xz, xy = self.cell_mask
        return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]], np.float64)
