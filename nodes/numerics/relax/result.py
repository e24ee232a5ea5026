"""Relaxed: what came of one structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from nodes.numerics.potentials.graph import species_of
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.relax.batch import RelaxStart
from nodes.numerics.relax.state import Reached, Status
from nodes.numerics.relax.strain import stretch
from nodes.numerics.storage import read_arrays, write_arrays

__all__ = ["Relaxed", "read_results", "result_of", "write_results"]


@dataclass(frozen=True, eq=False)
class Relaxed:
    """What came of one structure.

    Attributes
    ----------
    status : str
        'converged'; 'not converged' after all steps; 'not finite' if energy or forces became NaN
        or infinite; 'runaway' if a cell was strained beyond all measure.
    steps : int
        Steps taken. Without success these are those to the step that failed.
    positions : (n, 3), Angstrom
        All that follows belongs to them: to the last step whose forces are finite. NaN where there
        is none.
    cell : (3, 3), Angstrom
    energy : float, eV
        With reference energies.
    energy_std : float, eV
        Over the members of an ensemble.
    forces : (n, 3), eV/Angstrom
        Also of fixed atoms.
    stress : (3, 3), eV/Angstrom^3, or None
        None unless periodic in three directions.
    max_force : float, eV/Angstrom
        Largest force on an atom that may move.
    """

    status: str
    steps: int
    positions: np.ndarray
    cell: np.ndarray
    energy: float
    energy_std: float
    forces: np.ndarray
    stress: np.ndarray | None
    max_force: float

    @property
    def converged(self) -> bool:
        """Whether it came to rest."""
        return self.status == "converged"

    @property
    def failed(self) -> bool:
        """Whether it ended because something is wrong with potential or structure."""
        return self.status in ("not finite", "runaway")


def result_of(
    model: EnergyModel,
    params: Params,
    start: RelaxStart,
    status: Status,
    steps: int,
    reached: Reached,
    cell_scale: float,
) -> Relaxed:
    """Result of a slot, of which ``reached`` holds the rows; positions in float64."""
    structure, n = start.structure, len(start.structure)
    moved = np.asarray(reached.coordinates, np.float64)
    strain = moved[-3:] / cell_scale
    more = np.zeros((3, 3))
    if np.any(strain):
        more = np.asarray(stretch(jnp.asarray(strain)), np.float64)
    undeformed = structure.positions + moved[:n]
    species = species_of(structure.numbers, model.config.elements)
    energies = np.asarray(reached.energies, np.float64)
    energies = energies + float(model.reference_energy(params, species))
    cell = structure.cell + structure.cell @ more
    volume = abs(np.linalg.det(cell)) if structure.pbc.all() else None
    return Relaxed(
        status=status.text,
        steps=steps,
        positions=undeformed + undeformed @ more,
        cell=cell,
        energy=float(np.mean(energies)),
        energy_std=float(np.std(energies, ddof=1)) if len(energies) > 1 else 0.0,
        forces=np.asarray(reached.forces, np.float64)[:n],
        stress=None if volume is None else np.asarray(reached.virial, np.float64) / volume,
        max_force=float(reached.max_force),
    )


def write_results(path: Path, results: dict[int, Relaxed]) -> None:
    """Write results by their row."""
    arrays = {
        f"{row}/{field.name}": np.asarray(getattr(result, field.name))
        for row, result in results.items()
        for field in fields(Relaxed)
        if getattr(result, field.name) is not None
    }
    write_arrays(path, arrays)


def read_results(paths: Sequence[Path]) -> dict[int, Relaxed]:
    """Read back what `write_results` wrote to some files."""
    found: dict[int, dict[str, np.ndarray]] = {}
    for path in paths:
        for name, array in read_arrays(path).items():
            row, field = name.split("/")
            found.setdefault(int(row), {})[field] = array
    return {row: _result_from(arrays) for row, arrays in found.items()}


def _result_from(arrays: dict[str, np.ndarray]) -> Relaxed:
    values: dict[str, Any] = {"stress": None}
    for name, array in arrays.items():
        values[name] = array if array.ndim else array.item()
    return Relaxed(**values)
