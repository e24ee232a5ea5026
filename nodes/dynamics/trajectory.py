"""One trajectory: a function of one structure that can be killed and goes on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units

from nodes.dynamics.checks import Check, Memory, Moment, NotFinite
from nodes.dynamics.integrators import (
    Conditions,
    Integrator,
    Langevin,
    degrees_of_freedom,
    evaluate,
    temperature_of,
)
from nodes.interfaces import HasCalculator
from nodes.long_runs import (
    Checkpoint,
    FrameLog,
    Saved,
    StepClock,
    forget,
    own_calculator,
    read_with,
    with_results,
)

__all__ = ["RunMD", "thermal_momenta"]

Knots = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class RunMD:
    """Run molecular dynamics from one structure: called with it, returns the sampled frames.

    With a folder `scratch` the state is saved every `checkpoint_interval` steps. Called again with
    the same folder, it goes on from there and gives exactly the frames of an uninterrupted run.

    Parameters
    ----------
    calculator : gives energies and forces; each trajectory has its own
    integrator : Verlet, Langevin, VelocityRescaling, BerendsenNPT, MtkNPT or any like them
    n_steps : number of steps; a check may stop earlier
    timestep_fs : time step
    temperature_k : of thermostat and initial velocities: a number, or knots ``(step, K)`` between
        which it changes linearly
    pressure_gpa : for an integrator that changes the cell, else None
    sample_interval : steps between frames; the first frame is the start
    checks : when to stop; the frame that made it stop is the last one
    check_interval : steps between checks
    keep_velocities : start with the momenta of the structure instead of random ones
    checkpoint_interval : steps between checkpoints. The calculator is reset there, and so starts
        each stretch as a new one would

    Raises
    ------
    ValueError
        If settings do not fit together or to the structure.
    WalltimeError
        If the unix time in the environment variable ``ZN_DEADLINE`` is near; all is saved.
    """

    calculator: HasCalculator
    integrator: Integrator = field(default_factory=Langevin)
    n_steps: int = 1000
    timestep_fs: float = 1.0
    temperature_k: float | Knots = 300.0
    pressure_gpa: float | None = None
    sample_interval: int = 10
    checks: tuple[Check, ...] = (NotFinite(),)
    check_interval: int = 1
    keep_velocities: bool = False
    checkpoint_interval: int = 100

    def __post_init__(self) -> None:
        for name in ("timestep_fs", "sample_interval", "check_interval", "checkpoint_interval"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, received {getattr(self, name)}")
        if self.n_steps < 0:
            raise ValueError(f"n_steps must be 0 or more, received {self.n_steps}")
        if (self.pressure_gpa is not None) != self.integrator.changes_cell:
            needed = "a number" if self.integrator.changes_cell else "None"
            raise ValueError(
                f"pressure_gpa must be {needed} for {type(self.integrator).__name__}, "
                f"received {self.pressure_gpa}"
            )
        steps, temperatures = self._knots()
        if len(steps) == 0 or (np.diff(steps) <= 0).any() or (temperatures < 0).any():
            raise ValueError(
                "temperature_k must be 0 or more: a number, or pairs (step, K) with ascending "
                f"steps, received {self.temperature_k}"
            )

    @property
    def reads(self) -> tuple[str, ...] | str:
        """What a result depends on besides elements, positions and cell."""
        momenta = ("momenta",) if self.keep_velocities else ()
        return read_with(self.calculator, "constraints", "masses", "info.replica", *momenta)

    def temperature_at(self, step: int) -> float:
        """Return the temperature of the thermostat in K."""
        return float(np.interp(step, *self._knots()))

    def _knots(self) -> tuple[np.ndarray, np.ndarray]:
        given = self.temperature_k
        knots = given if isinstance(given, (tuple, list)) else ((0, given),)
        steps, temperatures = np.array(knots, dtype=np.float64).reshape(-1, 2).T
        return steps, temperatures

    def __call__(
        self,
        atoms: Atoms,
        scratch: Path | None = None,
        rng: np.random.Generator | None = None,
    ) -> list[Atoms]:
        """Return the frames, each with its results and momenta.

        Their ``info`` has step, time_fs, temperature_k, and a stop_reason, which is empty but for
        the last frame of a run that a check stopped.

        Parameters
        ----------
        atoms : where to start; not modified
        scratch : folder of the checkpoint
        rng : for initial velocities and thermostat
        """
        if self.integrator.changes_cell and (atoms.constraints or not atoms.pbc.all()):
            raise ValueError(
                "structures must be periodic and without constraints for an integrator that "
                f"changes the cell, received {atoms}"
            )
        rng = np.random.default_rng(0) if rng is None else rng
        with own_calculator(self.calculator, scratch) as calculator:
            moving = atoms.copy()
            moving.calc = calculator
            run = _Run(self, moving, Checkpoint(scratch, "md", atoms), rng)
            run.advance()
        return run.log.frames()


class _Run:
    """A trajectory on its way."""

    def __init__(
        self, spec: RunMD, atoms: Atoms, checkpoint: Checkpoint, rng: np.random.Generator
    ) -> None:
        self.spec = spec
        self.atoms = atoms
        self.checkpoint = checkpoint
        self.rng = rng
        self.step = 0
        self.stop_reason = ""
        self.state: dict[str, np.ndarray] = {}
        self.memories: list[Memory] = [check.fresh() for check in spec.checks]
        saved = checkpoint.load()
        if saved is None:
            self.log = FrameLog(checkpoint)
            self._start()
        else:
            self.log = FrameLog(checkpoint, saved.values["n_frames"])
            self._restore(saved)

    def advance(self) -> None:
        """Go on to the end, or until a check says stop."""
        spec, atoms = self.spec, self.atoms
        clock = StepClock(spec.checkpoint_interval)
        timestep = spec.timestep_fs * units.fs
        pressure = (spec.pressure_gpa or 0.0) * units.GPa
        while self.step < spec.n_steps and not self.stop_reason:
            conditions = Conditions(timestep, spec.temperature_at(self.step), pressure)
            spec.integrator.step(atoms, self.state, conditions, self.rng)
            self.step += 1
            self._look()
            if clock.due(self.step):
                self._save()
                if self.step < spec.n_steps and not self.stop_reason:
                    clock.stop_if_late(self.step, spec.n_steps)

    def _start(self) -> None:
        spec, atoms = self.spec, self.atoms
        if not spec.keep_velocities:
            atoms.set_momenta(thermal_momenta(atoms, spec.temperature_at(0), self.rng))
        elif not atoms.has("momenta"):
            raise ValueError(
                f"structures must have momenta with keep_velocities=True, received {atoms} "
                "without; set keep_velocities=False"
            )
        evaluate(spec.integrator, atoms, self.state)
        self._look()

    def _look(self) -> None:
        """Check the present step, and keep it as a frame if it is time, or the last one."""
        spec = self.spec
        temperature = temperature_of(self.atoms, spec.integrator)
        if self.step % spec.check_interval == 0:
            moment = Moment(
                self.atoms,
                self.step,
                temperature,
                self.atoms.get_potential_energy(),
                self.state["forces"],
            )
            for check, memory in zip(spec.checks, self.memories, strict=True):
                reason = check.reason(moment, memory)
                if reason is not None and not self.stop_reason:
                    self.stop_reason = f"{type(check).__name__}: {reason}"
        if self.step % spec.sample_interval == 0 or self.stop_reason:
            frame = with_results(self.atoms)
            frame.info |= {
                "step": self.step,
                "time_fs": self.step * spec.timestep_fs,
                "temperature_k": temperature,
                "stop_reason": self.stop_reason,
            }
            self.log.append(frame)

    def _save(self) -> None:
        self.log.flush()
        atoms = self.atoms
        arrays = {
            "positions": atoms.positions,
            "momenta": atoms.get_momenta(),
            "cell": atoms.cell.array,
            **{f"state:{name}": value for name, value in self.state.items()},
        }
        values: dict[str, Any] = {
            "step": self.step,
            "n_frames": len(self.log),
            "stop_reason": self.stop_reason,
            "memories": self.memories,
            "rng": _plain(self.rng.bit_generator.state),
        }
        self.checkpoint.save(arrays, values)
        forget(atoms.calc)

    def _restore(self, saved: Saved) -> None:
        arrays, values = saved
        self.step = values["step"]
        self.stop_reason = values["stop_reason"]
        self.memories = values["memories"]
        self.rng.bit_generator.state = values["rng"]
        self.state = {
            name.removeprefix("state:"): array
            for name, array in arrays.items()
            if name.startswith("state:")
        }
        atoms = self.atoms
        atoms.set_cell(arrays["cell"], apply_constraint=False)
        atoms.positions = arrays["positions"]
        atoms.set_momenta(arrays["momenta"], apply_constraint=False)


def thermal_momenta(atoms: Atoms, temperature_k: float, rng: np.random.Generator) -> np.ndarray:
    """Draw momenta from the Maxwell-Boltzmann distribution, without motion of the whole.

    Returns
    -------
    ndarray, shape (n_atoms, 3)
        Momenta in u Angstrom per ASE unit of time; before constraints are applied.
    """
    masses = atoms.get_masses()[:, None]
    momenta = np.sqrt(masses * units.kB * temperature_k) * rng.standard_normal((len(atoms), 3))
    if degrees_of_freedom(atoms, conserves_momentum=True) == 3 * len(atoms) - 3:
        momenta -= masses * momenta.sum(axis=0) / masses.sum()
    return momenta


def _plain(state: Any) -> Any:
    """Return the state of a bit generator as JSON knows it; arrays become lists."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray | np.generic) else state
