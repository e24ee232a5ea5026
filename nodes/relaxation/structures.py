"""Relaxation of many structures with any calculator."""

from typing import Any, Literal

import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.interfaces import HasCalculator
from nodes.relaxation.relax import Relax, check_choice


class RelaxStructures(zn.Node):
    """Relax structures, each by itself, to the nearest minimum of the energy.

    What was done is never done again, and a relaxation that was killed goes on from its last
    checkpoint with the same result.

    Parameters
    ----------
    structures : where to start from; not modified
    calculator : a calculator spec, or a node with a trained model
    fmax_ev_per_angstrom : converged when no atom feels a larger force
    max_steps : limit on the number of steps
    optimizer : ``"LBFGS"``, ``"FIRE"``, ``"BFGS"`` (up to ~1000 atoms) or ``"PreconLBFGS"`` (large
        crystals)
    relax_cell : ``"none"``, ``"isotropic"`` (volume) or ``"full"`` (volume and shape)
    pressure_gpa : that cells are relaxed under
    smax_gpa : a cell is converged when no component of its stress is farther from the pressure
    keep_symmetry : keep the space groups that the structures have
    keep : ``"last"`` structures, whole ``"trajectory"``, or ``"last_converged"``, which leaves out
        those that do not converge
    if_not_converged : ``"flag"`` in ``info["converged"]``, or ``"fail"``
    checkpoint_interval : steps between checkpoints
    on_error : ``"raise"``, or ``"record"`` to leave out structures that failed

    Attributes
    ----------
    frames : relaxed structures in the order of `structures`, with energy (eV), forces
        (eV/Angstrom) and, of relaxed cells, stress (eV/Angstrom^3); ``info`` has step, converged
        and max_force_ev_per_angstrom
    rows : shape (n_frames,), the row of `structures` that a frame came from
    failures : one entry ``{"row": ..., "kind": ..., "reason": ...}`` for each structure that failed
    metrics : n_structures, n_converged, n_not_converged, n_failed, and mean_steps of those kept

    Raises
    ------
    ValueError
        If settings are out of range or do not fit to a structure.
    """

    structures: list[Atoms] = zn.deps()
    calculator: HasCalculator = zn.deps()
    fmax_ev_per_angstrom: float = zn.params(0.05)
    max_steps: int = zn.params(500)
    optimizer: Literal["LBFGS", "FIRE", "BFGS", "PreconLBFGS"] = zn.params("LBFGS")
    relax_cell: Literal["none", "isotropic", "full"] = zn.params("none")
    pressure_gpa: float = zn.params(0.0)
    smax_gpa: float = zn.params(0.1)
    keep_symmetry: bool = zn.params(False)
    keep: Literal["last", "trajectory", "last_converged"] = zn.params("last")
    if_not_converged: Literal["flag", "fail"] = zn.params("flag")
    checkpoint_interval: int = zn.params(20)
    on_error: Literal["raise", "record"] = zn.params("raise")
    frames: list[Atoms] = zn.outs()
    rows: np.ndarray = zn.outs()
    failures: list[dict[str, Any]] = zn.outs()
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        check_choice("on_error", self.on_error, ("raise", "record"))
        relax = Relax(
            calculator=self.calculator,
            fmax_ev_per_angstrom=self.fmax_ev_per_angstrom,
            max_steps=self.max_steps,
            optimizer=self.optimizer,
            relax_cell=self.relax_cell,
            pressure_gpa=self.pressure_gpa,
            smax_gpa=self.smax_gpa,
            keep_symmetry=self.keep_symmetry,
            keep=self.keep,
            if_not_converged=self.if_not_converged,
            checkpoint_interval=self.checkpoint_interval,
        )
        results = self.map(relax, self.structures, on_error=self.on_error)
        self.frames = results
        self.rows = results.rows
        self.failures = [
            {
                "row": failure.row,
                "kind": failure.kind,
                "reason": f"{failure.type}: {failure.message}",
            }
            for failure in results.failures
        ]
        last = {int(row): frame.info for row, frame in zip(results.rows, results, strict=True)}
        n_structures, n_failed = len(self.structures), len(self.failures)
        n_converged = sum(info["converged"] for info in last.values())
        self.metrics = {
            "n_structures": n_structures,
            "n_converged": n_converged,
            "n_not_converged": n_structures - n_failed - n_converged,
            "n_failed": n_failed,
            "mean_steps": float(np.mean([info["step"] for info in last.values()] or [0])),
        }
