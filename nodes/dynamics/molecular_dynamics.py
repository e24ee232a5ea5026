"""Molecular dynamics with a trained potential."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

import zn_pipeline as zn
from nodes.atoms import structure_of
from nodes.extras import require
from nodes.interfaces import HasEnergyModel

if TYPE_CHECKING:
    import pandas as pd

    from nodes.numerics.md import MDResult

_SETTINGS = (
    "ensemble",
    "temperature_k",
    "timestep_fs",
    "friction_per_ps",
    "n_steps",
    "sample_every",
    "check_every",
    "max_force_std_ev_per_angstrom",
    "seed",
)


class UnstableDynamicsError(zn.PipelineError):
    """Positions or energies became NaN or infinite."""


class JaxMD(zn.Node):
    """Run Langevin ("nvt") or energy-conserving ("nve") dynamics at constant cell.

    A run that was killed goes on from its last checkpoint and gives the same frames.

    Parameters
    ----------
    structures : where to start from; not modified
    model : a trained potential
    index : which of `structures` to start from; negative counts from the end
    ensemble : "nvt" or "nve"
    temperature_k : of the thermostat and of the initial velocities
    timestep_fs : time step
    friction_per_ps : of the thermostat
    n_steps : number of steps, a multiple of `sample_every`
    sample_every : steps between kept frames; the first frame is the start
    check_every : steps between checks of the uncertainty, a divisor of `sample_every`; None takes
        `sample_every`
    max_force_std_ev_per_angstrom : stop when the standard deviation of some atom's force over the
        ensemble exceeds this; the frame that does so is kept as the last one; None never stops
    keep_velocities : start with the velocities of the structure instead of random ones
    on_failure : what to do when values become NaN or infinite: ``"raise"``, or ``"record"`` the
        stop reason and keep the frames before
    seed : of initial velocities and thermostat

    Attributes
    ----------
    frames : kept frames with energy (eV), forces (eV/Angstrom) and momenta; not wrapped into the
        cell; ``info`` has step, energy_std (eV) and force_std_max (eV/Angstrom)
    log : one row per frame: step, time_fs, temperature_k, energy_ev, energy_std_ev and
        force_std_max_ev_per_angstrom
    metrics : stop_reason ("completed", "uncertain", "not finite"), stopped_at_step, n_frames,
        mean_temperature_k, max_force_std_ev_per_angstrom

    Raises
    ------
    ValueError
        If settings are out of range, or the structure has constraints or masses of its own, which
        the compiled loop does not know.
    UnstableDynamicsError
        If values become NaN or infinite under ``on_failure="raise"``.
    """

    structures: list[Atoms] = zn.deps()
    model: HasEnergyModel = zn.deps()
    index: int = zn.params(0)
    ensemble: Literal["nvt", "nve"] = zn.params("nvt")
    temperature_k: float = zn.params(300.0)
    timestep_fs: float = zn.params(0.5)
    friction_per_ps: float = zn.params(10.0)
    n_steps: int = zn.params(1000)
    sample_every: int = zn.params(10)
    check_every: int | None = zn.params(None)
    max_force_std_ev_per_angstrom: float | None = zn.params(None)
    keep_velocities: bool = zn.params(False)
    on_failure: Literal["raise", "record"] = zn.params("raise")
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()
    log: "pd.DataFrame" = zn.plots(
        x="time_fs",
        y=["temperature_k"],
        x_label="time (fs)",
        y_label="temperature (K)",
        title="Dynamics",
    )
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        require("jax", extra="jax")
        from nodes.numerics.md import MDSettings, run_md

        if self.on_failure not in ("raise", "record"):
            raise ValueError(
                f'on_failure must be "raise" or "record", received {self.on_failure!r}'
            )
        start = self._start()
        model, params = self.model.energy_model()
        result = run_md(
            model,
            params,
            structure_of(start),
            MDSettings(**{name: getattr(self, name) for name in _SETTINGS}),
            velocities=start.get_velocities() if self.keep_velocities else None,
            checkpoint_dir=self.scratch,
            on_block=lambda progress: self.progress(progress.step, self.n_steps),
        )
        broken = result.stop_reason == "not finite"
        if broken and (self.on_failure == "raise" or len(result.steps) == 0):
            raise UnstableDynamicsError(
                f"dynamics must stay finite, received NaN or infinity at step "
                f"{result.stopped_at_step} of {self.n_steps}; lower timestep_fs, improve the "
                'model, or keep the frames before, if any, by on_failure="record"'
            )
        self.frames = _frames_of(result, start)
        self.log = _log_of(result, self.timestep_fs)
        self.metrics = {
            "stop_reason": result.stop_reason,
            "stopped_at_step": int(result.stopped_at_step),
            "n_frames": len(self.frames),
            "mean_temperature_k": float(np.mean(result.temperature_k)),
            "max_force_std_ev_per_angstrom": float(np.max(result.force_std_max)),
        }

    def _start(self) -> Atoms:
        """Return the structure to start from."""
        count = len(self.structures)
        if not -count <= self.index < count:
            raise ValueError(
                f"index must be in [{-count}, {count - 1}] for {count} structures, "
                f"received {self.index}"
            )
        start = self.structures[self.index]
        if start.constraints or start.has("masses"):
            raise ValueError(
                "structures must have no constraints and no masses of their own, received "
                f"{start} in row {self.index}; remove them"
            )
        return start


def _frames_of(result: "MDResult", start: Atoms) -> list[Atoms]:
    """Return the frames of a run as Atoms with their results."""
    masses = start.get_masses()[:, None]
    frames = []
    for k in range(len(result.steps)):
        frame = Atoms(
            numbers=start.numbers,
            positions=result.positions[k],
            momenta=result.velocities[k] * masses,
            cell=start.cell,
            pbc=start.pbc,
            info={
                "step": int(result.steps[k]),
                "energy_std": float(result.energy_std[k]),
                "force_std_max": float(result.force_std_max[k]),
            },
        )
        frame.calc = SinglePointCalculator(
            frame, energy=float(result.energies[k]), forces=result.forces[k]
        )
        frames.append(frame)
    return frames


def _log_of(result: "MDResult", timestep_fs: float) -> "pd.DataFrame":
    """Return one row per frame."""
    import pandas as pd

    columns = {
        "step": result.steps,
        "time_fs": result.steps * timestep_fs,
        "temperature_k": result.temperature_k,
        "energy_ev": result.energies,
        "energy_std_ev": result.energy_std,
        "force_std_max_ev_per_angstrom": result.force_std_max,
    }
    return pd.DataFrame({name: np.asarray(values) for name, values in columns.items()})
