"""What the maps of these tests compute: each evaluation writes a line when it begins and ends."""

import dataclasses
import os
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

LOG = "ZN_TEST_LOG"
N_STEPS = 60


def note(what: str, name: object) -> None:
    """Append a line in one step, in whatever process and on whatever machine this runs."""
    handle = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{what} {name} {os.getpid()}\n".encode())
    os.close(handle)


class SpringCalculator(Calculator):
    """Atoms bound to the origin by springs."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Compute, and write it down."""
        super().calculate(atoms, properties, system_changes)
        name = f"{atoms.positions[0, 0]:.6f}"
        note("start", name)
        energy = 0.5 * float((atoms.positions**2).sum())
        self.results = {"energy": energy, "forces": -atoms.positions}
        note("end", name)


@dataclasses.dataclass(frozen=True)
class Springs:
    """Spec of the calculator."""

    def get_calculator(self, directory: Path | None = None) -> Calculator:
        """Return the calculator."""
        return SpringCalculator()


def nap(atoms: Atoms) -> Atoms:
    """Take as long as the structure says."""
    note("start", atoms.info["name"])
    time.sleep(atoms.info["seconds"])
    note("end", atoms.info["name"])
    atoms.info["rested"] = True
    return atoms


def noisy(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Move the atoms at random."""
    note("start", atoms.info["name"])
    atoms.positions += rng.normal(size=atoms.positions.shape)
    note("end", atoms.info["name"])
    return atoms


def march_on(atoms: Atoms) -> Atoms:
    """Let the atoms swing for all steps, at once."""
    twin = atoms.copy()
    velocities = np.zeros((len(twin), 3))
    for _ in range(N_STEPS):
        velocities -= 0.1 * twin.positions
        twin.positions += 0.1 * velocities
    return twin


def march(atoms: Atoms, scratch: Path) -> Atoms:
    """Let the atoms swing for all steps, with a checkpoint after each."""
    file = scratch / "state.npz"
    state = {"positions": atoms.positions, "velocities": np.zeros((len(atoms), 3)), "step": 0}
    if file.exists():
        with np.load(file) as stored:
            state = dict(stored)
    positions, velocities = state["positions"].copy(), state["velocities"].copy()
    for step in range(int(state["step"]) + 1, N_STEPS + 1):
        note("start", f"{atoms.info['name']}/{step}")
        time.sleep(atoms.info["seconds"])
        velocities -= 0.1 * positions
        positions += 0.1 * velocities
        part = scratch / "part.npz"
        np.savez(part, positions=positions, velocities=velocities, step=step)
        part.rename(file)
        note("end", f"{atoms.info['name']}/{step}")
    atoms.positions = positions
    return atoms


def nap_or_march(atoms: Atoms, scratch: Path) -> Atoms:
    """Do what the structure says."""
    return march(atoms, scratch) if atoms.info["kind"] == "march" else nap(atoms)
