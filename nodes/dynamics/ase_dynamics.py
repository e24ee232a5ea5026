"""Molecular dynamics of many structures with any calculator."""

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.dynamics.checks import Check, NotFinite
from nodes.dynamics.integrators import Integrator, Langevin
from nodes.dynamics.trajectory import RunMD
from nodes.interfaces import HasCalculator

if TYPE_CHECKING:
    import pandas as pd


class AseMD(zn.Node):
    """Run one or more trajectories from every structure, each with random numbers of its own.

    Trajectories are independent: they run wherever the node is sent to, what was done is never
    done again, and one that was killed goes on from its last checkpoint with the same result.

    Parameters
    ----------
    structures : where to start from; not modified
    calculator : a calculator spec, or a node with a trained model
    integrator : Verlet, Langevin, VelocityRescaling (constant volume), BerendsenNPT or MtkNPT
    n_steps : number of steps of each trajectory
    timestep_fs : time step
    temperature_k : of thermostat and initial velocities: a number, or a list of knots
        ``[step, K]`` between which it changes linearly: ``[[0, 300], [1000, 600]]`` is a ramp,
        ``[[0, 300], [500, 300], [501, 600]]`` two stages
    pressure_gpa : for BerendsenNPT and MtkNPT, else None
    sample_interval : steps between kept frames; the first frame is the start
    checks : when to stop a trajectory: NotFinite, MaxTemperature, MaxForce, MinDistance,
        EnergyDrop, EnergyJump, MaxUncertainty. The frame that made it stop is kept as its last one,
        with the reason in ``info["stop_reason"]``
    check_interval : steps between checks
    keep_velocities : start with the momenta of the structures instead of random ones
    n_replicas : trajectories from each structure; all but one have ``info["replica"]``
    checkpoint_interval : steps between checkpoints
    on_error : ``"raise"``, or ``"record"`` to leave out trajectories whose calculation failed
    seed : of initial velocities and thermostats

    Attributes
    ----------
    frames : frames of all trajectories, one trajectory after the other, with energy (eV), forces
        (eV/Angstrom) and momenta; not wrapped into the cell; ``info`` has step, time_fs,
        temperature_k and stop_reason
    rows : shape (n_frames,), the row of `structures` that a frame came from
    log : one row per frame: trajectory, step, time_fs, temperature_k and energy_ev
    failures : one entry ``{"row": ..., "replica": ..., "kind": ..., "reason": ...}`` for each
        trajectory without frames
    metrics : n_trajectories, n_completed, n_stopped, n_failed, n_frames, and in stop_reasons how
        often each check stopped one

    Raises
    ------
    ValueError
        If settings are out of range or do not fit to a structure.
    """

    structures: list[Atoms] = zn.deps()
    calculator: HasCalculator = zn.deps()
    integrator: Integrator = zn.deps(default_factory=Langevin)
    n_steps: int = zn.params(1000)
    timestep_fs: float = zn.params(1.0)
    temperature_k: float | list[list[float]] = zn.params(300.0)
    pressure_gpa: float | None = zn.params(None)
    sample_interval: int = zn.params(10)
    checks: list[Check] = zn.deps(default_factory=lambda: [NotFinite()])
    check_interval: int = zn.params(1)
    keep_velocities: bool = zn.params(False)
    n_replicas: int = zn.params(1)
    checkpoint_interval: int = zn.params(100)
    on_error: Literal["raise", "record"] = zn.params("raise")
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()
    rows: np.ndarray = zn.outs()
    log: "pd.DataFrame" = zn.plots(
        x="time_fs",
        y=["temperature_k"],
        x_label="time (fs)",
        y_label="temperature (K)",
        title="Dynamics",
    )
    failures: list[dict[str, Any]] = zn.outs()
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        if self.on_error not in ("raise", "record"):
            raise ValueError(f'on_error must be "raise" or "record", received {self.on_error!r}')
        if self.n_replicas < 1:
            raise ValueError(f"n_replicas must be 1 or more, received {self.n_replicas}")
        starts = [
            _replica(atoms, number)
            for atoms in self.structures
            for number in range(self.n_replicas)
        ]
        results = self.map(self._task(), starts, seed=self.seed, on_error=self.on_error)
        self.frames = results
        self.rows = results.rows // self.n_replicas
        self.log = _log_of(results, results.rows)
        self.failures = [
            {
                "row": failure.row // self.n_replicas,
                "replica": failure.row % self.n_replicas,
                "kind": failure.kind,
                "reason": f"{failure.type}: {failure.message}",
            }
            for failure in results.failures
        ]
        reasons = sorted(text for frame in results if (text := frame.info["stop_reason"]))
        n_done = len(starts) - len(self.failures)
        self.metrics = {
            "n_trajectories": len(starts),
            "n_completed": n_done - len(reasons),
            "n_stopped": len(reasons),
            "n_failed": len(self.failures),
            "n_frames": len(results),
            "stop_reasons": dict(Counter(text.split(":")[0] for text in reasons)),
        }

    def _task(self) -> RunMD:
        """Return what is done with each structure."""
        given = self.temperature_k
        knots = (
            tuple((step, kelvin) for step, kelvin in given) if isinstance(given, list) else given
        )
        return RunMD(
            calculator=self.calculator,
            integrator=self.integrator,
            n_steps=self.n_steps,
            timestep_fs=self.timestep_fs,
            temperature_k=knots,
            pressure_gpa=self.pressure_gpa,
            sample_interval=self.sample_interval,
            checks=tuple(self.checks),
            check_interval=self.check_interval,
            keep_velocities=self.keep_velocities,
            checkpoint_interval=self.checkpoint_interval,
        )


def _replica(atoms: Atoms, number: int) -> Atoms:
    """Return a start that differs from its replicas, and so gets other random numbers."""
    start = atoms.copy()
    start.info.pop("replica", None)
    if number:
        start.info["replica"] = number
    return start


def _log_of(frames: zn.Frames, trajectories: np.ndarray) -> "pd.DataFrame":
    """Return one row per frame."""
    import pandas as pd

    names = ("step", "time_fs", "temperature_k")
    rows = [(*(frame.info[k] for k in names), frame.get_potential_energy()) for frame in frames]
    table = pd.DataFrame(rows, columns=[*names, "energy_ev"])
    table.insert(0, "trajectory", trajectories)
    return table
