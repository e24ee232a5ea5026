"""A calculator and functions that write down each evaluation, in whatever process it happens."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

COUNT = "ZN_TEST_COUNT"


def note(word: str) -> None:
    with Path(os.environ[COUNT]).open("a") as file:
        file.write(f"{word}\n")


class CountingHarmonic(Calculator):
    """Atoms bound to the origin by springs."""

    implemented_properties: ClassVar = ["energy", "forces"]

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        note(atoms.get_chemical_formula())
        energy = 0.5 * self.strength * float((atoms.positions**2).sum())
        self.results = {"energy": energy, "forces": -self.strength * atoms.positions}


@dataclasses.dataclass(frozen=True)
class Harmonic:
    """Spec of the calculator."""

    strength: float = 1.0
    model: Path | None = None
    threads: int = dataclasses.field(default=1, metadata={"key": False})

    def get_calculator(self, directory: Path | None = None) -> Calculator:
        return CountingHarmonic(self.strength)


def shifted(atoms: Atoms) -> Atoms:
    note("shifted")
    atoms.positions += 0.5
    return atoms


def tagged(atoms: Atoms) -> Atoms:
    note("tagged")
    atoms.info["tagged"] = atoms.info.get("name", "none")
    return atoms


def picky(atoms: Atoms) -> Atoms:
    note("picky")
    if atoms.info["name"] == 3:
        raise ArithmeticError("three is too much")
    return atoms


def deadly(atoms: Atoms) -> Atoms:
    note("deadly")
    if atoms.info["name"] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return atoms


def noisy(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    note("noisy")
    atoms.positions += rng.normal(size=atoms.positions.shape)
    return atoms


def slow(atoms: Atoms) -> Atoms:
    time.sleep(0.02)
    note(str(atoms.info["name"]))
    return atoms


def slower(atoms: Atoms) -> Atoms:
    note(str(atoms.info["name"]))
    time.sleep(0.2)
    return atoms


def resting(atoms: Atoms) -> Atoms:
    note(str(atoms.info["name"]))
    time.sleep(atoms.info["seconds"])
    return atoms


def walk(atoms: Atoms, scratch: Path) -> Atoms:
    """Go ten steps, one checkpoint each; the first attempt is killed at the seventh."""
    file = scratch / "step"
    step = int(file.read_text()) if file.exists() else 0
    while step < 10:
        step += 1
        note(f"step {step}")
        file.write_text(str(step))
        if step == 7 and not (scratch / "killed").exists():
            (scratch / "killed").touch()
            raise ConnectionError("the machine went away")
    atoms.info["steps"] = step
    return atoms
