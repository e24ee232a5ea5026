"""Frames on the host: in NumPy, float64 where it counts, with all that a log wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from nodes.numerics.md.state import Frames
from nodes.numerics.neighbors.cells import periodic_basis
from nodes.numerics.units import GPA, KB

__all__ = ["MDFrames", "SystemFacts", "frames_of", "join_frames", "pick_frames"]


class SystemFacts(NamedTuple):
    """What frames need to know of a replica that never changes.

    Attributes
    ----------
    masses : (n,), u
    dof : int
        Degrees of freedom.
    cell : (3, 3), Angstrom
        As given, also where it is not periodic.
    pbc : (3,) bool
    reference : float, eV
        Sum of reference energies.
    timestep_fs : float
    wrap : bool
    changes_cell : bool
    """

    masses: np.ndarray
    dof: int
    cell: np.ndarray
    pbc: np.ndarray
    reference: float
    timestep_fs: float
    wrap: bool
    changes_cell: bool


@dataclass(frozen=True, eq=False)
class MDFrames:
    """Frames of one system.

    Attributes
    ----------
    steps : (f,) int
    times_fs : (f,)
    positions : (f, n, 3), Angstrom
        Not wrapped into the cell unless asked for.
    velocities : (f, n, 3), Angstrom per unit of time
        As in ASE; see `units.FS`.
    forces : (f, n, 3), eV/Angstrom
    cells : (f, 3, 3), Angstrom
    energies : (f,), eV
        Potential energy, mean over members, with reference energies, float64.
    energy_std : (f,), eV
    force_std_max : (f,), eV/Angstrom
        The largest uncertainty of an atom's force: square root of the summed variances of its
        three components. Zero for a model with one member, or if not asked for.
    stresses : (f, 3, 3), eV/Angstrom^3
        Virial by volume, positive under tension, without the motion of atoms; NaN unless periodic
        in all directions.
    kinetic_energies : (f,), eV
    temperature_k : (f,)
    conserved_energies : (f,), eV
        What the equations of motion keep constant, with reference energies.
    pressure_gpa : (f,)
        With the motion of atoms; NaN unless periodic in all directions.
    volumes : (f,), Angstrom^3
    """

    steps: np.ndarray
    times_fs: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    forces: np.ndarray
    cells: np.ndarray
    energies: np.ndarray
    energy_std: np.ndarray
    force_std_max: np.ndarray
    stresses: np.ndarray
    kinetic_energies: np.ndarray
    temperature_k: np.ndarray
    conserved_energies: np.ndarray
    pressure_gpa: np.ndarray
    volumes: np.ndarray

    def __len__(self) -> int:
        return len(self.steps)


def frames_of(raw: Frames, facts: SystemFacts) -> MDFrames:
    """Frames (f, ...) of one replica, without padding, for people to read."""
    n = len(facts.masses)
    velocities = raw.velocities[:, :n]
    kinetic = 0.5 * np.sum(velocities.astype(np.float64) ** 2, axis=-1) @ facts.masses
    cells = raw.cell if facts.changes_cell else np.tile(facts.cell, (len(raw.step), 1, 1))
    volumes = np.full(len(cells), np.nan)
    if np.all(facts.pbc):
        volumes = np.abs(np.linalg.det(cells.astype(np.float64)))
    stresses = raw.virial / volumes[:, None, None]
    trace = np.trace(raw.virial.astype(np.float64), axis1=1, axis2=2)
    positions = raw.positions[:, :n]
    return MDFrames(
        steps=raw.step,
        times_fs=raw.step * facts.timestep_fs,
        positions=_wrapped(positions, cells, facts.pbc) if facts.wrap else positions,
        velocities=velocities,
        forces=raw.forces[:, :n],
        cells=cells,
        energies=raw.energy.astype(np.float64) + facts.reference,
        energy_std=raw.energy_std,
        force_std_max=raw.force_std_max,
        stresses=stresses,
        kinetic_energies=kinetic,
        temperature_k=2.0 * kinetic / (facts.dof * KB),
        conserved_energies=raw.conserved.astype(np.float64) + facts.reference,
        pressure_gpa=(2.0 * kinetic - trace) / (3.0 * volumes) / GPA,
        volumes=volumes,
    )


def join_frames(parts: Sequence[MDFrames]) -> MDFrames:
    """All frames, one part after the other."""
    columns = [[getattr(part, f.name) for part in parts] for f in fields(MDFrames)]
    return MDFrames(*(np.concatenate(column) for column in columns))


def pick_frames(raw: Frames, rows: np.ndarray, replica: int) -> Frames:
    """Rows of one replica out of frames (f, b, ...)."""
    return Frames(*(np.asarray(leaf)[rows, replica] for leaf in raw))


def _wrapped(positions: np.ndarray, cells: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Positions (f, n, 3) within the cell along its periodic directions."""
    wrapped = np.empty_like(positions)
    for k, (frame, cell) in enumerate(zip(positions, cells, strict=True)):
        basis = periodic_basis(cell, pbc)
        whole = np.floor(frame @ np.linalg.inv(basis) + 1e-9) * pbc
        wrapped[k] = frame - whole @ basis
    return wrapped
