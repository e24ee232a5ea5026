"""Molecular dynamics with a trained potential."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms

import zn_pipeline as zn
from nodes.atoms import structure_of
from nodes.dynamics import checks as plain_checks
from nodes.dynamics.jax_frames import FrameFiles, Log, joined
from nodes.extras import require
from nodes.interfaces import HasEnergyModel
from nodes.long_runs import StepClock

if TYPE_CHECKING:
    import pandas as pd

    from nodes.numerics.md import MDSettings, Simulation, Start, Stop

_SETTINGS = (
    "ensemble",
    "integrator",
    "timestep_fs",
    "friction_per_ps",
    "n_steps",
    "sample_every",
    "check_every",
    "max_force_std_ev_per_angstrom",
    "keep_before",
    "force_std",
    "wrap",
    "skin_angstrom",
    "frames_per_block",
    "seed",
)


class UnstableDynamicsError(zn.PipelineError):
    """Positions or energies became NaN or infinite."""


class JaxMD(zn.Node):
    """Run dynamics with a trained potential in one compiled loop.

    Frames are written to disk while the loop goes on. A run that was killed goes on from its last
    checkpoint and gives the same frames.

    Parameters
    ----------
    structures : where to start from; not modified. Fixed atoms (ASE's FixAtoms) stay fixed, masses
        of their own are kept
    model : a trained potential
    integrator : one of ``nodes.numerics.md.moving``: VelocityVerlet, Langevin, VelocityRescaling,
        NoseHooverChain, or CellRescaling and MtkNPT, which change the cell; None takes `ensemble`
    checks : when to stop, see ``nodes.numerics.md.checks``; also NotFinite, MaxTemperature,
        MinDistance and EnergyJump of ``nodes``. The frame that made it stop is the last one
    constraints : what may not move in any structure, see ``nodes.numerics.md.constraints``
    biases : what is added to the potential, see ``nodes.numerics.biases``: UncertaintyBias,
        GaussianAcceleration, SphericalWall, Calibration; frames have energies and forces with them
    temperature_schedule, pressure_schedule : one of ``nodes.numerics.md.schedules`` instead of
        `temperature_k`, `pressure_gpa`
    index : which of `structures` to start from; negative counts from the end. None starts from all
    n_replicas : trajectories from each structure, with other random numbers
    batch_size : trajectories that run side by side in one loop; None takes all
    ensemble : "nvt" (Langevin) or "nve", if there is no `integrator`
    temperature_k : of the thermostat and of the initial velocities: a number, or a list of knots
        ``[step, K]`` between which it changes linearly
    pressure_gpa : likewise, for an integrator that changes the cell, else None
    timestep_fs : time step
    friction_per_ps : of the thermostat of "nvt"
    n_steps : number of steps, a multiple of `sample_every`
    sample_every : steps between kept frames; the first frame is the start
    check_every : steps between checks, a divisor of `sample_every`; None takes `sample_every`
    max_force_std_ev_per_angstrom : one more check: stop when the standard deviation of some atom's
        force over the ensemble exceeds this; None never stops
    keep_before : keep so many checked steps before a stop, whether they were due or not
    force_std : evaluate the uncertainty of forces for each frame
    keep_velocities : start with the velocities of the structure instead of random ones
    wrap : wrap frames into the cell
    skin_angstrom : margin of the neighbour list; changes nothing but the speed
    frames_per_block : frames between two checkpoints
    on_failure : what to do when values become NaN or infinite: ``"raise"``, or ``"record"`` the
        stop reason and keep the frames before
    seed : of initial velocities and thermostat; trajectory k has the seed plus k

    Attributes
    ----------
    frames : kept frames, one trajectory after the other, with energy (eV), forces (eV/Angstrom),
        stress (eV/Angstrom^3, if periodic) and momenta; ``info`` has step, energy_std (eV) and
        force_std_max (eV/Angstrom)
    rows : shape (n_frames,), the row of `structures` that a frame came from
    log : one row per frame: trajectory, step, time_fs, temperature_k, energy_ev (potential),
        kinetic_energy_ev, total_energy_ev, conserved_energy_ev, pressure_gpa, volume_angstrom3,
        energy_std_ev and force_std_max_ev_per_angstrom
    metrics : n_trajectories, n_completed, n_frames, mean_temperature_k,
        max_force_std_ev_per_angstrom, stop_reasons (how often which); of the trajectory that
        stopped first: stop_reason ("completed", "uncertain", "not finite", ...), stop_text (the
        reason in words, with value and limit), stopped_at_step

    Raises
    ------
    ValueError
        If settings are out of range or do not fit to a structure, or it has constraints other than
        FixAtoms.
    UnstableDynamicsError
        If values become NaN or infinite under ``on_failure="raise"``.
    WalltimeError
        If the time of the job is nearly over; all is saved.
    """

    structures: list[Atoms] = zn.deps()
    model: HasEnergyModel = zn.deps()
    integrator: Any = zn.deps(None)
    checks: list[Any] = zn.deps(default_factory=list)
    constraints: list[Any] = zn.deps(default_factory=list)
    biases: list[Any] = zn.deps(default_factory=list)
    temperature_schedule: Any = zn.deps(None)
    pressure_schedule: Any = zn.deps(None)
    index: int | None = zn.params(0)
    n_replicas: int = zn.params(1)
    batch_size: int | None = zn.params(None)
    ensemble: Literal["nvt", "nve"] = zn.params("nvt")
    temperature_k: float | list[list[float]] = zn.params(300.0)
    pressure_gpa: float | list[list[float]] | None = zn.params(None)
    timestep_fs: float = zn.params(0.5)
    friction_per_ps: float = zn.params(10.0)
    n_steps: int = zn.params(1000)
    sample_every: int = zn.params(10)
    check_every: int | None = zn.params(None)
    max_force_std_ev_per_angstrom: float | None = zn.params(None)
    keep_before: int = zn.params(0)
    force_std: bool = zn.params(True)
    keep_velocities: bool = zn.params(False)
    wrap: bool = zn.params(False)
    skin_angstrom: float = zn.params(0.5)
    frames_per_block: int = zn.params(50)
    on_failure: Literal["raise", "record"] = zn.params("raise")
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
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        require("jax", extra="jax")
        from nodes.numerics.md import Simulation

        self._check()
        rows = self._rows()
        settings, (model, params) = self._settings(), self.model.energy_model()
        starts = [self._start(row, number) for number, row in enumerate(rows)]
        size = self.batch_size or len(rows)
        stops: list[Stop] = []
        counts: list[int] = []
        for first in range(0, len(rows), size):
            simulation = Simulation(
                model,
                params,
                starts[first : first + size],
                settings,
                directory=self.scratch / f"batch-{first:06d}",
            )
            self._advance(simulation, first, rows)
            stops += simulation.stops
            counts += simulation.n_frames
        self._refuse_broken(stops, counts)
        self._keep(rows, stops, counts)

    def _advance(self, simulation: "Simulation", first: int, rows: Sequence[int]) -> None:
        """Run a batch to its end; frames are on disk before the state is."""
        clock = StepClock(1)
        for block in simulation:
            for k, (found, before) in enumerate(zip(block.frames, block.first, strict=True)):
                row = first + k
                FrameFiles(self.scratch, row).keep(before, found, self.structures[rows[row]])
            simulation.save()
            done = first * self.n_steps + block.step * len(block.frames)
            self.progress(done, len(rows) * self.n_steps)
            clock.due(block.step)
            if not simulation.finished:
                clock.stop_if_late(block.step, self.n_steps)

    def _keep(self, rows: Sequence[int], stops: "Sequence[Stop]", counts: Sequence[int]) -> None:
        """Set all outputs from what is on disk."""
        import pandas as pd

        files = [FrameFiles(self.scratch, k) for k in range(len(rows))]
        known = [(k, files[k], n) for k, n in enumerate(counts) if n]
        blocks = [block for _, file, n in known for block in file.frames(n)]
        n_atoms = sum(n * len(self.structures[rows[k]]) for k, _, n in known)
        self.frames = joined(blocks, n_atoms)
        self.rows = np.repeat(np.asarray(rows), counts)
        logs: list[Log] = [{"trajectory": np.full(n, k), **file.log(n)} for k, file, n in known]
        self.log = pd.concat([pd.DataFrame(log) for log in logs], ignore_index=True)
        early = min(stops, key=lambda stop: (stop.reason == "completed", stop.step))
        self.metrics = {
            "n_trajectories": len(rows),
            "n_completed": sum(stop.reason == "completed" for stop in stops),
            "n_frames": sum(counts),
            "mean_temperature_k": float(np.mean(self.log["temperature_k"])),
            "max_force_std_ev_per_angstrom": float(
                np.max(self.log["force_std_max_ev_per_angstrom"])
            ),
            "stop_reasons": dict(Counter(sorted(stop.reason for stop in stops))),
            "stop_reason": early.reason,
            "stop_text": early.text,
            "stopped_at_step": early.step,
        }

    def _refuse_broken(self, stops: "Sequence[Stop]", counts: Sequence[int]) -> None:
        broken = [stop.step for stop in stops if stop.reason == "not finite"]
        if broken and (self.on_failure == "raise" or not any(counts)):
            raise UnstableDynamicsError(
                f"dynamics must stay finite, received NaN or infinity at step "
                f"{min(broken)} of {self.n_steps}; lower timestep_fs, improve the "
                'model, or keep the frames before, if any, by on_failure="record"'
            )

    def _check(self) -> None:
        if self.on_failure not in ("raise", "record"):
            raise ValueError(
                f'on_failure must be "raise" or "record", received {self.on_failure!r}'
            )
        for name in ("n_replicas", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, received {value}")

    def _rows(self) -> list[int]:
        """Return the row of `structures` that each trajectory starts from."""
        count = len(self.structures)
        if self.index is None:
            return [row for row in range(count) for _ in range(self.n_replicas)]
        if not -count <= self.index < count:
            raise ValueError(
                f"index must be in [{-count}, {count - 1}] for {count} structures, "
                f"received {self.index}"
            )
        return [self.index % count] * self.n_replicas

    def _start(self, row: int, number: int) -> "Start":
        """Return where trajectory `number` starts."""
        from nodes.numerics.md import Start
        from nodes.numerics.md.constraints import FixAtoms as Fixed

        atoms = self.structures[row]
        other = [c for c in atoms.constraints if not isinstance(c, FixAtoms)]
        if other:
            raise ValueError(
                "structures must have no constraints but FixAtoms, received "
                f"{type(other[0]).__name__} in row {row}; remove it, or use one of `constraints`"
            )
        fixed = [c.index for c in atoms.constraints if len(c.index)]
        return Start(
            structure_of(atoms),
            velocities=atoms.get_velocities() if self.keep_velocities else None,
            masses=atoms.get_masses() if atoms.has("masses") else None,
            constraints=tuple(Fixed(tuple(map(int, indices))) for indices in fixed),
            seed=self.seed + number,
        )

    def _settings(self) -> "MDSettings":
        from nodes.numerics.md import MDSettings

        pressure = self._schedule(self.pressure_gpa, self.pressure_schedule)
        return MDSettings(
            temperature_k=self._schedule(self.temperature_k, self.temperature_schedule),
            pressure_gpa=pressure,
            checks=tuple(check for given in self.checks for check in _on_device(given)),
            constraints=tuple(self.constraints),
            biases=tuple(self.biases),
            **{name: getattr(self, name) for name in _SETTINGS},
        )

    def _schedule(self, value: Any, given: Any) -> Any:
        """Return a schedule; knots (step, value) become ramps between them."""
        from nodes.numerics.md.schedules import Piecewise

        if given is not None or not isinstance(value, list | tuple):
            return value if given is None else given
        steps, values = np.array(value, np.float64).reshape(-1, 2).T
        if len(steps) == 0 or steps[0] < 0 or (np.diff(steps) <= 0).any():
            raise ValueError(f"knots must be pairs with ascending steps, received {value}")
        if steps[-1] == 0:
            return float(values[0])
        if steps[0] > 0:
            steps, values = np.insert(steps, 0, 0.0), np.insert(values, 0, values[0])
        durations = tuple(float(d) for d in np.diff(steps) * self.timestep_fs)
        return Piecewise(float(values[0]), tuple(float(v) for v in values[1:]), durations)


def _on_device(check: Any) -> list[Any]:
    """Return what a check is called in a compiled loop; there, NotFinite goes without saying."""
    from nodes.numerics.md import checks

    if isinstance(check, plain_checks.NotFinite):
        return []
    if isinstance(check, plain_checks.MaxTemperature):
        return [checks.MaxTemperature(check.temperature_k)]
    if isinstance(check, plain_checks.MinDistance):
        return [checks.MinDistance(check.distance_angstrom)]
    if isinstance(check, plain_checks.EnergyJump):
        return [checks.EnergyJump(check.jump_ev_per_atom)]
    return [check]
