"""Relaxation of many structures with a trained potential."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian
from ase.stress import full_3x3_to_voigt_6_stress

import zn_pipeline as zn
from nodes.atoms import structure_of
from nodes.extras import require
from nodes.interfaces import HasEnergyModel
from nodes.labels import attach_results
from nodes.long_runs import StepClock
from nodes.relaxation.relax import RelaxationError, check_choice

if TYPE_CHECKING:
    from nodes.numerics.relax import Relaxation, Relaxed, RelaxSettings, RelaxStart

__all__ = ["JaxRelax"]

_SETTINGS = (
    "fmax_ev_per_angstrom",
    "max_steps",
    "optimizer",
    "relax_cell",
    "cell_mask",
    "pressure_gpa",
    "smax_gpa",
    "batch_size",
    "steps_per_block",
    "skin_angstrom",
)


class JaxRelax(zn.Node):
    """Relax structures, and their cells, with a trained potential, many in one compiled loop.

    Structures of similar size share a batch; where one is done, the next begins. What comes of a
    structure does not depend on the others. A run that was killed goes on from its last block.

    Parameters
    ----------
    structures : where to start from; not modified. What ASE's FixAtoms and FixCartesian fix stays
        fixed
    model : a trained potential
    fmax_ev_per_angstrom : converged when no atom that may move feels a larger force
    max_steps : limit on the number of steps of each structure
    optimizer : ``"LBFGS"`` or ``"FIRE"``
    relax_cell : ``"none"``, ``"full"`` (volume and shape), ``"isotropic"`` (volume alone) or
        ``"fixed_volume"`` (shape alone)
    cell_mask : which strains are free, in the order xx, yy, zz, yz, xz, xy
    pressure_gpa : that cells are relaxed under
    smax_gpa : a cell is converged when no free component of its stress is farther from the pressure
    batch_size : structures that are relaxed side by side; more pay on an accelerator
    if_not_converged : ``"flag"`` in ``info["converged"]``, or ``"fail"``
    on_error : ``"raise"``, or ``"record"`` to leave out structures that failed
    steps_per_block : steps between two checkpoints
    skin_angstrom : margin of the neighbour lists; changes nothing but the speed

    Attributes
    ----------
    frames : relaxed structures in the order of `structures`, with energy (eV), forces
        (eV/Angstrom) and, if periodic, stress (eV/Angstrom^3); ``info`` has step, converged,
        max_force_ev_per_angstrom and energy_std (eV)
    rows : shape (n_frames,), the row of `structures` that a frame came from
    failures : one entry ``{"row": ..., "kind": ..., "reason": ...}`` for each structure that failed
    metrics : n_structures, n_converged, n_not_converged, n_failed, and mean_steps of those kept

    Raises
    ------
    ValueError
        If settings are out of range or do not fit to a structure, or it has other constraints.
    RelaxationError
        If energies or forces become NaN or infinite, or a cell is strained beyond all measure,
        under ``on_error="raise"``; or under ``"fail"`` if a structure does not converge.
    WalltimeError
        If the time of the job is nearly over; all is saved.
    """

    structures: list[Atoms] = zn.deps()
    model: HasEnergyModel = zn.deps()
    fmax_ev_per_angstrom: float = zn.params(0.05)
    max_steps: int = zn.params(500)
    optimizer: Literal["LBFGS", "FIRE"] = zn.params("LBFGS")
    relax_cell: Literal["none", "full", "isotropic", "fixed_volume"] = zn.params("none")
    cell_mask: list[bool] = zn.params(default_factory=lambda: [True] * 6)
    pressure_gpa: float = zn.params(0.0)
    smax_gpa: float = zn.params(0.1)
    batch_size: int = zn.params(16)
    if_not_converged: Literal["flag", "fail"] = zn.params("flag")
    on_error: Literal["raise", "record"] = zn.params("raise")
    steps_per_block: int = zn.params(25)
    skin_angstrom: float = zn.params(0.3)
    frames: list[Atoms] = zn.outs()
    rows: np.ndarray = zn.outs()
    failures: list[dict[str, Any]] = zn.outs()
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        require("jax", extra="jax")
        from nodes.numerics.relax import Relaxation

        check_choice("if_not_converged", self.if_not_converged, ("flag", "fail"))
        check_choice("on_error", self.on_error, ("raise", "record"))
        model, params = self.model.energy_model()
        starts = [_start(row, atoms) for row, atoms in enumerate(self.structures)]
        relaxation = Relaxation(
            model, params, starts, self._settings(), directory=self.scratch / "relaxation"
        )
        self._advance(relaxation)
        self._keep([relaxation.results[row] for row in range(len(starts))])

    def _settings(self) -> "RelaxSettings":
        from nodes.numerics.relax import RelaxSettings

        return RelaxSettings(**{name: getattr(self, name) for name in _SETTINGS})

    def _advance(self, relaxation: "Relaxation") -> None:
        """Relax all structures; each block is saved."""
        clock, total = StepClock(1), len(self.structures)
        for count, _ in enumerate(relaxation, start=1):
            relaxation.save()
            self.progress(len(relaxation.results), total)
            clock.due(count)
            if not relaxation.finished:
                clock.stop_if_late(relaxation.n_steps, total * self.max_steps)

    def _keep(self, results: "list[Relaxed]") -> None:
        """Set all outputs."""
        kept = [row for row, result in enumerate(results) if not result.failed]
        failed = [row for row, result in enumerate(results) if result.failed]
        late = [row for row in kept if not results[row].converged]
        if failed and self.on_error == "raise":
            raise RelaxationError(
                f"structure {failed[0]} must stay finite, received: {_reason(results[failed[0]])}; "
                'correct the structure or the model, or leave it out by on_error="record"'
            )
        if late and self.if_not_converged == "fail":
            raise RelaxationError(
                f"forces must converge to {self.fmax_ev_per_angstrom} eV/Angstrom within "
                f"{self.max_steps} steps, received {results[late[0]].max_force:.6g} eV/Angstrom in "
                f"row {late[0]}; raise max_steps or choose another optimizer"
            )
        self.frames = [_frame(self.structures[row], results[row]) for row in kept]
        self.rows = np.array(kept, np.int64)
        self.failures = [
            {"row": row, "kind": results[row].status, "reason": _reason(results[row])}
            for row in failed
        ]
        self.metrics = {
            "n_structures": len(results),
            "n_converged": len(kept) - len(late),
            "n_not_converged": len(late),
            "n_failed": len(failed),
            "mean_steps": float(np.mean([results[row].steps for row in kept] or [0])),
        }


def _start(row: int, atoms: Atoms) -> "RelaxStart":
    """Return a structure and what of it may move."""
    from nodes.numerics.relax import RelaxStart

    mobile = np.ones((len(atoms), 3), bool)
    for constraint in atoms.constraints:
        if isinstance(constraint, FixCartesian):
            mobile[constraint.index] &= ~np.asarray(constraint.mask, bool)
        elif isinstance(constraint, FixAtoms):
            mobile[constraint.index] = False
        else:
            raise ValueError(
                "structures must have no constraints but FixAtoms and FixCartesian, received "
                f"{type(constraint).__name__} in row {row}; remove it, or use RelaxStructures"
            )
    return RelaxStart(structure_of(atoms), mobile)


def _frame(start: Atoms, result: "Relaxed") -> Atoms:
    """Return the relaxed structure with its results and all that `start` carries."""
    frame = start.copy()
    frame.set_constraint()
    frame.set_cell(result.cell, apply_constraint=False)
    frame.positions = result.positions
    frame.set_constraint(start.constraints)
    found: dict[str, Any] = {"energy": result.energy, "forces": result.forces}
    if result.stress is not None:
        found["stress"] = full_3x3_to_voigt_6_stress(result.stress)
    attach_results(frame, found)
    frame.info |= {
        "step": result.steps,
        "converged": result.converged,
        "max_force_ev_per_angstrom": result.max_force,
        "energy_std": result.energy_std,
    }
    return frame


def _reason(result: "Relaxed") -> str:
    if result.status == "runaway":
        return f"step {result.steps}: the cell is strained beyond all measure"
    return f"step {result.steps}: energy or forces are not finite"
