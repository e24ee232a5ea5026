"""run_md(): dynamics from a structure to frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.elements import atomic_masses_amu
from nodes.numerics.md.block import Frames, MDState, Program, Reason, System, run_block
from nodes.numerics.md.checkpoint import Stored, read_run, write_run
from nodes.numerics.md.integrators import motion_of
from nodes.numerics.md.settings import MDSettings
from nodes.numerics.md.thermo import (
    degrees_of_freedom,
    maxwell_boltzmann,
    remove_drift,
    temperature_k,
)
from nodes.numerics.neighbors.cells import periodic_basis
from nodes.numerics.neighbors.device import DeviceList, from_structure, list_spec
from nodes.numerics.potentials.graph import species_of
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.selftest import check_backend
from nodes.numerics.storage import array_digest, flatten
from nodes.numerics.structures import Structure

__all__ = ["MDProgress", "MDResult", "run_md"]

_STOP_REASONS = {
    Reason.NONE: "completed",
    Reason.NOT_FINITE: "not finite",
    Reason.UNCERTAIN: "uncertain",
}


@dataclass(frozen=True)
class MDProgress:
    """Where a run stands after a block.

    Attributes
    ----------
    step, n_frames : int
    temperature_k : float or None
        Of the last frame.
    force_std_max : float or None, eV/Angstrom
        Of the last frame.
    """

    step: int
    n_frames: int
    temperature_k: float | None
    force_std_max: float | None


@dataclass(frozen=True, eq=False)
class MDResult:
    """Frames of a run and why it stopped.

    Attributes
    ----------
    steps : (n_frames,) int
    positions : (n_frames, n, 3), Angstrom
        Not wrapped into the cell.
    velocities : (n_frames, n, 3), Angstrom per unit of time
        As in ASE; see `units.FS`.
    forces : (n_frames, n, 3), eV/Angstrom
    energies : (n_frames,), eV
        Potential energy, mean over members, with reference energies, float64.
    energy_std : (n_frames,), eV
    force_std_max : (n_frames,), eV/Angstrom
        The largest uncertainty of an atom's force: square root of the summed variances of its
        three components. Zero for a model with one member.
    temperature_k : (n_frames,), K
    stop_reason : str
        'completed', 'uncertain' or 'not finite'.
    stopped_at_step : int
        The last step; the step that failed if values were not finite.
    trigger_index : int or None
        Index of the frame whose uncertainty stopped the run, always the last one.
    """

    steps: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    forces: np.ndarray
    energies: np.ndarray
    energy_std: np.ndarray
    force_std_max: np.ndarray
    temperature_k: np.ndarray
    stop_reason: str
    stopped_at_step: int
    trigger_index: int | None


def run_md(
    model: EnergyModel,
    params: Params,
    structure: Structure,
    settings: MDSettings,
    *,
    velocities: np.ndarray | None = None,
    checkpoint_dir: Path | None = None,
    on_block: Callable[[MDProgress], None] | None = None,
) -> MDResult:
    """Run molecular dynamics.

    Parameters
    ----------
    model, params
        The potential.
    structure : Structure
        Where to start.
    settings : MDSettings
    velocities : (n, 3), optional
        Angstrom per unit of time; by default drawn at ``settings.temperature_k``. For 'nve' the
        total momentum is taken off in any case.
    checkpoint_dir : Path, optional
        Written after each block. A run that finds its own checkpoint there goes on from it and
        gives the same bits as one that was never interrupted.
    on_block : callable, optional
        Called after each block.

    Raises
    ------
    ValueError
        If the limit on the uncertainty asks for an ensemble that the model does not have, or the
        checkpoint belongs to another run.
    """
    check_backend()
    if settings.max_force_std_ev_per_angstrom is not None and model.config.n_members < 2:
        raise ValueError(
            "max_force_std_ev_per_angstrom must be None for a model with one member, received "
            f"{settings.max_force_std_ev_per_angstrom}; fit a model with more members"
        )
    masses = atomic_masses_amu(structure.numbers)
    if velocities is None:
        velocities = maxwell_boltzmann(masses, settings.temperature_k, settings.seed)
    if settings.ensemble == "nve":
        velocities = remove_drift(np.asarray(velocities, np.float64), masses)
    fingerprint = _fingerprint(model, params, structure, settings, velocities)
    stored = None if checkpoint_dir is None else read_run(checkpoint_dir, fingerprint)
    run = _Run(model, params, structure, settings, masses)
    state = run.start(velocities) if stored is None else run.resume(stored)
    while not run.finished(state):
        state, block = run.block(state)
        if checkpoint_dir is not None:
            record = {"fingerprint": fingerprint, **run.record()}
            write_run(checkpoint_dir, state, block, run.n_frames - len(block.step), record)
        if on_block is not None:
            on_block(run.progress(state))
    return run.result()


class _Run:
    """The host's side of a run: it starts blocks, collects frames and regrows the list."""

    def __init__(
        self,
        model: EnergyModel,
        params: Params,
        structure: Structure,
        settings: MDSettings,
        masses: np.ndarray,
    ) -> None:
        self.model, self.settings = model, settings
        self.structure, self.masses = structure, masses
        self.reference = float(
            model.reference_energy(params, species_of(structure.numbers, model.config.elements))
        )
        self.parts: list[Frames] = []
        self.reason, self.stopped_at = Reason.NONE, 0
        limit = settings.max_force_std_ev_per_angstrom
        dtype = jnp.result_type(float)
        basis = periodic_basis(structure.cell, structure.pbc)
        constants = {k: v for k, v in params["constants"].items() if k != "reference"}
        self.system = System(
            {"weights": params["weights"], "constants": constants},
            motion_of(settings, jnp.asarray(masses, dtype)[:, None]),
            jnp.asarray(species_of(structure.numbers, model.config.elements)),
            jnp.asarray(basis, dtype),
            jnp.asarray(settings.n_steps, jnp.int32),
            jnp.asarray(settings.sample_every, jnp.int32),
            jnp.asarray(settings.steps_per_check, jnp.int32),
            jnp.asarray(np.inf if limit is None else limit, dtype),
        )

    @property
    def n_frames(self) -> int:
        return sum(len(part.step) for part in self.parts)

    def start(self, velocities: np.ndarray) -> MDState:
        """State at step 0; its forces are filled in by the first measurement."""
        positions = jnp.asarray(self.structure.positions, jnp.result_type(float))
        velocities_ = jnp.asarray(velocities, positions.dtype)
        if velocities_.shape != positions.shape:
            raise ValueError(
                f"velocities must have shape {positions.shape}, received {velocities_.shape}"
            )
        neighbors = self.new_list(self.structure.positions, 0)
        first, none = jnp.zeros((), jnp.int32), jnp.full((), -1, jnp.int32)
        return MDState(first, none, positions, velocities_, jnp.zeros_like(positions), neighbors)

    def resume(self, stored: Stored) -> MDState:
        """State as it was stored."""
        self.parts = stored.frames
        self.reason = Reason(stored.record["reason"])
        self.stopped_at = int(stored.record["stopped_at"])
        self.spec = list_spec(
            self.structure.cell,
            self.structure.pbc,
            cutoff=self.model.config.cutoff_angstrom,
            skin=self.settings.skin_angstrom,
            capacity=stored.state.neighbors.senders.shape[1],
        )
        return jax.tree.map(jnp.asarray, stored.state)

    def record(self) -> dict[str, Any]:
        """What a checkpoint holds besides state and frames."""
        return {
            "n_frames": self.n_frames,
            "reason": int(self.reason),
            "stopped_at": self.stopped_at,
        }

    def new_list(self, positions: np.ndarray, min_capacity: int) -> DeviceList:
        """Neighbour list with at least so many slots."""
        self.spec, neighbors = from_structure(
            positions,
            self.structure.cell,
            self.structure.pbc,
            cutoff=self.model.config.cutoff_angstrom,
            skin=self.settings.skin_angstrom,
            min_capacity=min_capacity,
        )
        return neighbors

    def block(self, state: MDState) -> tuple[MDState, Frames]:
        """Run one block; after an overflow, go on with a larger list."""
        settings = self.settings
        program = Program(self.model, self.spec, settings.ensemble, settings.frames_per_block)
        block = run_block(program, self.system, state)
        count, reason, stopped_at, needed = map(int, jax.device_get(block[2:]))
        part = Frames(*(array[:count] for array in jax.device_get(block.frames)))
        self.parts.append(part)
        self.reason, self.stopped_at, state = Reason(reason), stopped_at, block.state
        if self.reason is Reason.OVERFLOW:
            self.reason = Reason.NONE
            enough = max(needed, int(1.3 * self.spec.capacity))
            neighbors = self.new_list(np.asarray(state.positions, np.float64), enough)
            state = state._replace(neighbors=neighbors)
        return state, part

    def finished(self, state: MDState) -> bool:
        return self.reason is not Reason.NONE or int(state.measured) >= self.settings.n_steps

    def progress(self, state: MDState) -> MDProgress:
        """What `on_block` is told."""
        last = next((part for part in reversed(self.parts) if len(part.step)), None)
        if last is None:
            return MDProgress(int(state.step), 0, None, None)
        warm = self.temperature(last.velocities[-1:])[0]
        return MDProgress(
            int(state.step), self.n_frames, float(warm), float(last.force_std_max[-1])
        )

    def temperature(self, velocities: np.ndarray) -> np.ndarray:
        dof = degrees_of_freedom(len(self.masses), self.settings.ensemble)
        return temperature_k(velocities, self.masses, dof)

    def result(self) -> MDResult:
        """All frames, joined."""
        frames = Frames(*(np.concatenate(arrays) for arrays in zip(*self.parts, strict=True)))
        uncertain = self.reason is Reason.UNCERTAIN
        return MDResult(
            steps=frames.step,
            positions=frames.positions,
            velocities=frames.velocities,
            forces=frames.forces,
            energies=frames.energy.astype(np.float64) + self.reference,
            energy_std=frames.energy_std,
            force_std_max=frames.force_std_max,
            temperature_k=self.temperature(frames.velocities),
            stop_reason=_STOP_REASONS[self.reason],
            stopped_at_step=self.stopped_at,
            trigger_index=len(frames.step) - 1 if uncertain else None,
        )


def _fingerprint(
    model: EnergyModel,
    params: Params,
    structure: Structure,
    settings: MDSettings,
    velocities: np.ndarray,
) -> str:
    """Digest of all that determines the outcome."""
    arrays = flatten(params) | {
        "numbers": structure.numbers,
        "positions": structure.positions,
        "cell": structure.cell,
        "pbc": structure.pbc,
        "velocities": np.asarray(velocities),
    }
    text = f"{model.config} {sorted(asdict(settings).items())} {array_digest(arrays)}"
    return hashlib.sha256(text.encode()).hexdigest()
