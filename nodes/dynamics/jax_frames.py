"""Frames of compiled dynamics: as `ase.Atoms`, as rows of a log, and on disk block by block."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

import zn_pipeline as zn

if TYPE_CHECKING:
    from nodes.numerics.md.frames import MDFrames

__all__ = ["FrameFiles", "atoms_of", "joined", "log_of"]

_IN_MEMORY_ATOMS = 2_000_000
"""So many atoms in all frames together are returned as a list; more stay on disk."""

Log = dict[str, np.ndarray]


def atoms_of(found: "MDFrames", start: Atoms) -> list[Atoms]:
    """Return frames as Atoms with their results, momenta, and constraints of `start`."""
    masses = start.get_masses()
    frames = []
    for k in range(len(found)):
        frame = Atoms(
            numbers=start.numbers,
            positions=found.positions[k],
            masses=masses if start.has("masses") else None,
            momenta=found.velocities[k] * masses[:, None],
            cell=found.cells[k],
            pbc=start.pbc,
            constraint=start.constraints,
            info={
                "step": int(found.steps[k]),
                "energy_std": float(found.energy_std[k]),
                "force_std_max": float(found.force_std_max[k]),
            },
        )
        results = {"energy": float(found.energies[k]), "forces": found.forces[k]}
        if start.pbc.all():
            results["stress"] = full_3x3_to_voigt_6_stress(found.stresses[k])
        frame.calc = SinglePointCalculator(frame, **results)
        frames.append(frame)
    return frames


def log_of(found: "MDFrames") -> Log:
    """Return columns with one value per frame."""
    return {
        "step": found.steps,
        "time_fs": found.times_fs,
        "temperature_k": found.temperature_k,
        "energy_ev": found.energies,
        "kinetic_energy_ev": found.kinetic_energies,
        "total_energy_ev": found.energies + found.kinetic_energies,
        "conserved_energy_ev": found.conserved_energies,
        "pressure_gpa": found.pressure_gpa,
        "volume_angstrom3": found.volumes,
        "energy_std_ev": found.energy_std,
        "force_std_max_ev_per_angstrom": found.force_std_max,
    }


class FrameFiles:
    """Frames and log of a trajectory on disk, in a pair of files for each block.

    Parameters
    ----------
    folder : where
    row : number of the trajectory
    """

    def __init__(self, folder: Path, row: int) -> None:
        self._folder = folder
        self._stem = f"trajectory-{row:06d}"

    def keep(self, first: int, found: "MDFrames", start: Atoms) -> None:
        """Write a block of frames that comes after the `first` ones."""
        if len(found):
            self._folder.mkdir(parents=True, exist_ok=True)
            np.savez(self._path(first, "log.npz"), allow_pickle=False, **log_of(found))
            zn.write_frames(self._path(first, "frames.h5"), atoms_of(found, start))

    def frames(self, n_frames: int) -> list[zn.Frames]:
        """Return the first `n_frames` frames, in blocks that read from disk."""
        return [
            zn.Frames.from_file(self._path(first, "frames.h5")) for first in self._firsts(n_frames)
        ]

    def log(self, n_frames: int) -> Log:
        """Return the log of the first `n_frames` frames."""
        parts: list[Log] = []
        for first in self._firsts(n_frames):
            with np.load(self._path(first, "log.npz"), allow_pickle=False) as stored:
                parts.append({name: stored[name] for name in stored.files})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _firsts(self, n_frames: int) -> list[int]:
        found = sorted(self._folder.glob(f"{self._stem}-*-frames.h5"))
        firsts = [int(path.name.split("-")[2]) for path in found]
        return [first for first in firsts if first < n_frames]

    def _path(self, first: int, kind: str) -> Path:
        return self._folder / f"{self._stem}-{first:09d}-{kind}"


def joined(blocks: Sequence[zn.Frames], n_atoms: int) -> list[Atoms]:
    """Return all frames: in memory if they are few, else in files.

    Parameters
    ----------
    n_atoms : in all frames together
    """
    if n_atoms <= _IN_MEMORY_ATOMS:
        return [frame for block in blocks for frame in block]
    whole = blocks[0]
    for block in blocks[1:]:
        whole = whole + block
    return cast(list[Atoms], whole)
