"""One relaxation: a function of one structure that can be killed and goes on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms, units
from ase.filters import FrechetCellFilter

import zn_pipeline as zn
from nodes.extras import require
from nodes.interfaces import HasCalculator
from nodes.long_runs import (
    Checkpoint,
    FrameLog,
    StepClock,
    forget,
    own_calculator,
    read_with,
    with_results,
)
from nodes.relaxation.optimizers import OPTIMIZERS

__all__ = ["Relax", "RelaxationError", "check_choice"]


class RelaxationError(zn.PipelineError):
    """A structure could not be relaxed."""


@dataclass(frozen=True)
class Relax:
    """Relax one structure: called with it, returns the relaxed one.

    With a folder `scratch` the state is saved every `checkpoint_interval` steps. Called again with
    the same folder, it goes on from there and takes exactly the steps of an uninterrupted run.

    Parameters
    ----------
    calculator : gives energies, forces and, for cells, stresses; each structure has its own
    fmax_ev_per_angstrom : converged when no atom feels a larger force
    max_steps : limit on the number of steps
    optimizer : ``"LBFGS"``, ``"FIRE"``, ``"BFGS"`` or ``"PreconLBFGS"``
    relax_cell : ``"none"``, ``"isotropic"`` (volume) or ``"full"`` (volume and shape)
    pressure_gpa : that the cell is relaxed under
    smax_gpa : a cell is converged when no component of its stress is farther from the pressure
    keep_symmetry : keep the space group that the structure has; needs spglib
    keep : ``"last"`` structure, whole ``"trajectory"``, or ``"last_converged"``: nothing if it is
        not converged
    if_not_converged : ``"flag"`` it in ``info["converged"]``, or ``"fail"``
    checkpoint_interval : steps between checkpoints. The calculator is reset there, and so starts
        each stretch as a new one would

    Raises
    ------
    ValueError
        If settings do not fit together or to the structure.
    RelaxationError
        If forces are not finite, or under ``"fail"`` if it is not converged after `max_steps`.
    WalltimeError
        If the unix time in the environment variable ``ZN_DEADLINE`` is near; all is saved.
    """

    calculator: HasCalculator
    fmax_ev_per_angstrom: float = 0.05
    max_steps: int = 500
    optimizer: Literal["LBFGS", "FIRE", "BFGS", "PreconLBFGS"] = "LBFGS"
    relax_cell: Literal["none", "isotropic", "full"] = "none"
    pressure_gpa: float = 0.0
    smax_gpa: float = 0.1
    keep_symmetry: bool = False
    keep: Literal["last", "trajectory", "last_converged"] = "last"
    if_not_converged: Literal["flag", "fail"] = "flag"
    checkpoint_interval: int = 20

    def __post_init__(self) -> None:
        check_choice("optimizer", self.optimizer, tuple(OPTIMIZERS))
        check_choice("relax_cell", self.relax_cell, ("none", "isotropic", "full"))
        check_choice("keep", self.keep, ("last", "trajectory", "last_converged"))
        check_choice("if_not_converged", self.if_not_converged, ("flag", "fail"))
        for name in ("fmax_ev_per_angstrom", "smax_gpa", "checkpoint_interval"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, received {getattr(self, name)}")
        if self.max_steps < 0:
            raise ValueError(f"max_steps must be 0 or more, received {self.max_steps}")
        if self.pressure_gpa and self.relax_cell == "none":
            raise ValueError(
                f"pressure_gpa must be 0 for a fixed cell, received {self.pressure_gpa}; "
                'set relax_cell="isotropic" or "full"'
            )

    @property
    def reads(self) -> tuple[str, ...] | str:
        """What a result depends on besides elements, positions and cell."""
        return read_with(self.calculator, "constraints")

    def __call__(self, atoms: Atoms, scratch: Path | None = None) -> Atoms | list[Atoms] | None:
        """Return the result with energy and forces; `atoms` is not modified.

        ``info`` has step, converged and max_force_ev_per_angstrom of each structure returned.

        Parameters
        ----------
        atoms : where to start
        scratch : folder of the checkpoint
        """
        if self.relax_cell != "none" and not atoms.pbc.all():
            raise ValueError(
                f'structures must be periodic along all axes for relax_cell="{self.relax_cell}", '
                f"received pbc {atoms.pbc.tolist()}"
            )
        with own_calculator(self.calculator, scratch) as calculator:
            run = _Run(self, atoms, calculator, Checkpoint(scratch, "relax", atoms))
            converged = run.advance()
            if not converged and self.if_not_converged == "fail":
                raise RelaxationError(
                    f"forces must converge to {self.fmax_ev_per_angstrom} eV/Angstrom within "
                    f"{self.max_steps} steps, received {run.largest_force():.6g} eV/Angstrom; "
                    "raise max_steps or choose another optimizer"
                )
            if self.keep == "trajectory":
                return run.log.frames()
            if self.keep == "last_converged" and not converged:
                return None
            return run.frame(converged=converged)


class _Run:
    """A relaxation on its way."""

    def __init__(self, spec: Relax, start: Atoms, calculator: Any, checkpoint: Checkpoint) -> None:
        self.spec = spec
        self.start = start
        self.checkpoint = checkpoint
        self.atoms = atoms = start.copy()
        if spec.keep_symmetry:
            _fix_symmetry(atoms)
        atoms.calc = calculator
        self.pressure = spec.pressure_gpa * units.GPa
        self.target: Any = atoms
        if spec.relax_cell != "none":  # its coordinates are relative to the cell of the start
            self.target = FrechetCellFilter(
                atoms,
                hydrostatic_strain=spec.relax_cell == "isotropic",
                scalar_pressure=self.pressure,
            )
        self.step = 0
        self.state: dict[str, np.ndarray] = {}
        saved = checkpoint.load()
        self.log = FrameLog(checkpoint, saved.values["n_frames"] if saved else 0)
        if saved is not None:
            self.step = saved.values["step"]
            self.state = {
                name.removeprefix("state:"): array
                for name, array in saved.arrays.items()
                if name.startswith("state:")
            }
            atoms.set_cell(saved.arrays["cell"], apply_constraint=False)
            atoms.positions = saved.arrays["positions"]

    def advance(self) -> bool:
        """Go on until it is converged or has taken all its steps; return whether it is."""
        spec = self.spec
        optimizer = OPTIMIZERS[spec.optimizer]
        clock = StepClock(spec.checkpoint_interval)
        begin = self.step
        while True:
            converged = self._is_converged()
            if spec.keep == "trajectory" and len(self.log) == self.step:
                self.log.append(self.frame(converged=converged))
            if converged or self.step >= spec.max_steps:
                return converged
            if self.step > begin and clock.due(self.step):
                self._save()
                clock.stop_if_late(self.step, spec.max_steps)
            optimizer.move(self.target, self.state)
            self.step += 1

    def frame(self, *, converged: bool) -> Atoms:
        """Return the present structure with its results."""
        frame = with_results(self.atoms)
        frame.set_constraint(self.start.constraints)
        frame.info |= {
            "step": self.step,
            "converged": converged,
            "max_force_ev_per_angstrom": self.largest_force(),
        }
        return frame

    def largest_force(self) -> float:
        """Return the largest force on an atom, in eV/Angstrom."""
        return float(np.linalg.norm(self.atoms.get_forces(), axis=1).max(initial=0.0))

    def _is_converged(self) -> bool:
        largest = self.largest_force()
        if not np.isfinite(largest):
            raise RelaxationError(
                f"forces must be finite, received NaN or infinity at step {self.step}; "
                "correct the structure or the calculator"
            )
        if largest > self.spec.fmax_ev_per_angstrom or self.spec.relax_cell == "none":
            return largest <= self.spec.fmax_ev_per_angstrom
        excess = self.atoms.get_stress(voigt=False) + self.pressure * np.eye(3)
        if self.spec.relax_cell == "isotropic":
            excess = np.trace(excess) / 3.0
        return bool(np.abs(excess).max() <= self.spec.smax_gpa * units.GPa)

    def _save(self) -> None:
        self.log.flush()
        arrays = {"positions": self.atoms.positions, "cell": self.atoms.cell.array}
        arrays |= {f"state:{name}": value for name, value in self.state.items()}
        self.checkpoint.save(arrays, {"step": self.step, "n_frames": len(self.log)})
        forget(self.atoms.calc)


def _fix_symmetry(atoms: Atoms) -> None:
    require("spglib", extra="phonons")
    from ase.constraints import FixSymmetry  # noqa: PLC0415 - needs spglib

    atoms.set_constraint([*atoms.constraints, FixSymmetry(atoms)])


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError if `value` is none of the `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, received {value!r}")
