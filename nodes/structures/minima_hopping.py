"""Search for minima of the energy by short dynamics and relaxation."""

import dataclasses
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculatorError
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.velocitydistribution import Stationary, ZeroRotation
from ase.md.verlet import VelocityVerlet
from ase.optimize import FIRE
from ase.units import fs, kB

import zn_pipeline as zn
from nodes.interfaces import HasCalculator
from nodes.structures.checks import require_positive

if TYPE_CHECKING:
    import pandas as pd

_CHECKPOINT = "hops.npz"


class MinimaHopping(zn.Node):
    """Walk from minimum to minimum of the energy, at constant cell, and learn how hard to push.

    S. Goedecker, *J. Chem. Phys.* **120**, 9911 (2004). Each step is a burst of dynamics that
    crosses barriers, then a relaxation. A step that ends in the current or a known minimum makes
    the next bursts hotter, a new minimum makes them colder; a new minimum is accepted if it lies
    less than an energy window above the current one, and the window is adjusted so that about half
    of the steps are accepted. Structures walk independently of each other. A walk that was killed
    goes on from its last step and comes to the same minima.

    Parameters
    ----------
    structures : where to start from, one walk each; not modified, constraints hold
    calculator : a calculator spec, or a node with a trained model
    n_steps : steps of each walk
    temperature_k : of the first burst
    energy_window_ev : first window
    timestep_fs : of the dynamics
    n_md_minima : a burst ends after it has passed so many minima of the energy along its way
    max_md_steps : or after so many time steps
    max_force_ev_per_angstrom : largest force that is left after a relaxation
    max_relax_steps : limit on the steps of a relaxation
    energy_tolerance_ev, distance_tolerance_angstrom : two structures are the same minimum if their
        energies and all their sorted interatomic distances differ by less
    heating_same, heating_known, cooling_new : factors for the temperature
    narrowing, widening : factors for the window after a step was accepted or not
    seed : of the whole node; each structure has its own stream, whatever stands beside it

    Attributes
    ----------
    frames : all different accepted minima of all walks, in the order of their discovery, with
        energy (eV) and forces (eV/Angstrom); ``info`` has ``walk`` and ``hop``, the row of the
        structure and the step; the relaxed start is hop 0
    log : one row per step: walk, hop, outcome ("same", "known", "accepted", "rejected", "failed"),
        energy_ev of the minimum, minimum (its number in the walk), temperature_k and
        energy_window_ev of that step
    metrics : n_minima, n_steps, lowest_energy_ev, over all walks

    Raises
    ------
    ValueError
        If a value is out of range, or a start cannot be relaxed.
    """

    structures: list[Atoms] = zn.deps()
    calculator: HasCalculator = zn.deps()
    n_steps: int = zn.params(10)
    temperature_k: float = zn.params(1000.0)
    energy_window_ev: float = zn.params(0.5)
    timestep_fs: float = zn.params(1.0)
    n_md_minima: int = zn.params(2)
    max_md_steps: int = zn.params(1000)
    max_force_ev_per_angstrom: float = zn.params(0.02)
    max_relax_steps: int = zn.params(1000)
    energy_tolerance_ev: float = zn.params(5e-3)
    distance_tolerance_angstrom: float = zn.params(0.1)
    heating_same: float = zn.params(1.1)
    heating_known: float = zn.params(1.1)
    cooling_new: float = zn.params(1 / 1.1)
    narrowing: float = zn.params(0.98)
    widening: float = zn.params(1 / 0.98)
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()
    log: "pd.DataFrame" = zn.plots(
        x="hop", y=["energy_ev"], x_label="step", y_label="energy (eV)", title="Minima"
    )
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        import pandas as pd

        require_positive(self, "n_steps", "n_md_minima", "max_md_steps", "max_relax_steps")
        settings = {f.name: getattr(self, f.name) for f in dataclasses.fields(HopSettings)}
        for name, value in settings.items():
            if value <= 0:
                raise ValueError(f"MinimaHopping.{name} must be positive, received {value}")
        walk = MinimaWalk(self.calculator, HopSettings(**settings))
        walks = self.map(walk, self.structures, seed=self.seed)
        self.frames, rows = [], []
        for number, found in enumerate(walks):
            for frame in found["minima"]:
                frame.info["walk"] = number
                self.frames.append(frame)
            rows += [{"walk": number, **row} for row in found["log"]]
        self.log = pd.DataFrame(rows)
        self.metrics = {
            "n_minima": len(self.frames),
            "n_steps": len(rows),
            "lowest_energy_ev": min(frame.get_potential_energy() for frame in self.frames),
        }


@dataclasses.dataclass(frozen=True)
class HopSettings:
    """Settings of a walk; see `MinimaHopping`."""

    n_steps: int
    temperature_k: float
    energy_window_ev: float
    timestep_fs: float
    n_md_minima: int
    max_md_steps: int
    max_force_ev_per_angstrom: float
    max_relax_steps: int
    energy_tolerance_ev: float
    distance_tolerance_angstrom: float
    heating_same: float
    heating_known: float
    cooling_new: float
    narrowing: float
    widening: float


@dataclasses.dataclass
class _State:
    """Where a walk is.

    Attributes
    ----------
    minima : different accepted minima, with results
    current : row of the current one
    temperature_k, energy_window_ev : for the next step
    log : one entry per step
    """

    minima: list[Atoms]
    current: int
    temperature_k: float
    energy_window_ev: float
    log: list[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class MinimaWalk:
    """Walk from one structure; called with it, returns ``{"minima": [...], "log": [...]}``.

    Parameters
    ----------
    calculator : gives the calculator
    settings : of the walk
    """

    calculator: HasCalculator
    settings: HopSettings

    def __call__(
        self, structure: Atoms, rng: np.random.Generator, scratch: Path
    ) -> dict[str, list[Any]]:
        calculator = self.calculator.get_calculator(directory=scratch / "calculator")
        checkpoint = scratch / _CHECKPOINT
        if checkpoint.is_file():
            state = _read(checkpoint, structure, rng)
        else:
            state = self._begin(structure, calculator)
            _write(checkpoint, state, rng)
        while len(state.log) < self.settings.n_steps:
            self._step(state, calculator, rng)
            _write(checkpoint, state, rng)
        return {"minima": state.minima, "log": state.log}

    def _begin(self, structure: Atoms, calculator: Any) -> _State:
        """Return the state after the relaxation of the start."""
        atoms = structure.copy()
        atoms.info.clear()
        atoms.calc = calculator
        start = self._relaxed(atoms)
        if start is None:
            raise ValueError(
                "MinimaHopping.structures must relax to max_force_ev_per_angstrom = "
                f"{self.settings.max_force_ev_per_angstrom} within {self.settings.max_relax_steps} "
                f"steps, received {structure.get_chemical_formula()} that does not; raise it"
            )
        start.info["hop"] = 0
        return _State([start], 0, self.settings.temperature_k, self.settings.energy_window_ev, [])

    def _step(self, state: _State, calculator: Any, rng: np.random.Generator) -> None:
        """Do one step: burst, relaxation, decision."""
        settings, here = self.settings, state.minima[state.current]
        entry = {
            "hop": len(state.log) + 1,
            "outcome": "failed",
            "energy_ev": float("nan"),
            "minimum": -1,
            "temperature_k": state.temperature_k,
            "energy_window_ev": state.energy_window_ev,
        }
        state.log.append(entry)
        found = self._hop(here, calculator, state.temperature_k, rng)
        if found is None:
            return
        energy = found.get_potential_energy()
        known = self._row_of(found, state)
        entry.update(energy_ev=energy, minimum=-1 if known is None else known)
        if known == state.current:
            entry["outcome"] = "same"
            state.temperature_k *= settings.heating_same
            return
        state.temperature_k *= settings.cooling_new if known is None else settings.heating_known
        if energy - here.get_potential_energy() >= state.energy_window_ev:
            entry["outcome"] = "rejected"
            state.energy_window_ev *= settings.widening
            return
        state.energy_window_ev *= settings.narrowing
        entry["outcome"] = "accepted" if known is None else "known"
        if known is None:
            found.info["hop"] = entry["hop"]
            entry["minimum"] = known = len(state.minima)
            state.minima.append(found)
        state.current = known

    def _hop(
        self, start: Atoms, calculator: Any, temperature_k: float, rng: np.random.Generator
    ) -> Atoms | None:
        """Return the minimum that a burst from `start` leads to, or None if it leads to none."""
        # Whatever the calculator remembers of the step before would be lost by a kill.
        reset = getattr(calculator, "reset", None)
        if reset is not None:
            reset()
        atoms = start.copy()
        atoms.calc = calculator
        masses = atoms.get_masses()[:, None]
        atoms.set_momenta(
            rng.standard_normal((len(atoms), 3)) * np.sqrt(masses * kB * temperature_k)
        )
        if not atoms.constraints:
            Stationary(atoms)
            if not atoms.pbc.any():
                ZeroRotation(atoms)
        try:
            self._burst(atoms)
            return self._relaxed(atoms)
        except (CalculatorError, FloatingPointError):
            return None

    def _burst(self, atoms: Atoms) -> None:
        """Run dynamics until the energy has passed through its minima."""
        dynamics = VelocityVerlet(atoms, timestep=self.settings.timestep_fs * fs)
        before = energy = np.inf
        passed = 0
        for _ in dynamics.irun(self.settings.max_md_steps):
            after = atoms.get_potential_energy()
            if not np.isfinite(after):
                raise FloatingPointError("the energy must stay finite")
            # The start is a minimum too, but none that was passed: nothing was before it.
            passed += energy <= before < np.inf and energy < after
            if passed == self.settings.n_md_minima:
                break
            before, energy = energy, after

    def _relaxed(self, atoms: Atoms) -> Atoms | None:
        """Relax in place; return a copy with results, or None if it takes too long."""
        atoms.set_momenta(np.zeros((len(atoms), 3)))
        settings = self.settings
        with FIRE(atoms, logfile=None) as relaxation:  # type: ignore[arg-type]
            done = relaxation.run(settings.max_force_ev_per_angstrom, settings.max_relax_steps)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces(apply_constraint=False)
        if not np.isfinite(energy):
            raise FloatingPointError("the energy must stay finite")
        minimum = atoms.copy()
        del minimum.arrays["momenta"]
        minimum.calc = SinglePointCalculator(minimum, energy=float(energy), forces=forces.copy())
        return minimum if done else None

    def _row_of(self, found: Atoms, state: _State) -> int | None:
        """Return the row of the minimum that a structure is, or None if it is a new one."""
        energy, distances = found.get_potential_energy(), sorted_distances(found)
        for row, minimum in enumerate(state.minima):
            if abs(minimum.get_potential_energy() - energy) < self.settings.energy_tolerance_ev:
                away = np.abs(sorted_distances(minimum) - distances).max(initial=0.0)
                if away < self.settings.distance_tolerance_angstrom:
                    return row
        return None


def sorted_distances(atoms: Atoms) -> np.ndarray:
    """Return all interatomic distances, sorted within each pair of elements.

    They do not change when the structure is shifted or turned, or like atoms are exchanged.
    """
    first, second = np.triu_indices(len(atoms), 1)
    distances = atoms.get_all_distances(mic=True)[first, second]
    pairs = np.sort(atoms.numbers[np.array([first, second])], axis=0)
    return distances[np.lexsort((distances, pairs[1], pairs[0]))]


def _write(path: Path, state: _State, rng: np.random.Generator) -> None:
    """Write a checkpoint that is either complete or not there."""
    record = {
        "current": state.current,
        "temperature_k": state.temperature_k,
        "energy_window_ev": state.energy_window_ev,
        "log": state.log,
        "hops": [minimum.info["hop"] for minimum in state.minima],
        "random": rng.bit_generator.state,
    }
    content = io.BytesIO()
    np.savez(
        content,
        allow_pickle=False,
        record=np.array(json.dumps(record)),
        positions=np.array([minimum.positions for minimum in state.minima]),
        forces=np.array([m.get_forces(apply_constraint=False) for m in state.minima]),
        energies=np.array([minimum.get_potential_energy() for minimum in state.minima]),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(content.getvalue())
    os.replace(temporary, path)


def _read(path: Path, structure: Atoms, rng: np.random.Generator) -> _State:
    """Read a checkpoint back; the generator goes on where it was."""
    with np.load(path, allow_pickle=False) as stored:
        record = json.loads(str(stored["record"]))
        results = [stored[name] for name in ("positions", "forces", "energies")]
    rng.bit_generator.state = record["random"]
    minima = []
    for hop, positions, forces, energy in zip(record["hops"], *results, strict=True):
        minimum = structure.copy()
        minimum.info = {"hop": hop}
        minimum.set_positions(positions, apply_constraint=False)
        minimum.calc = SinglePointCalculator(minimum, energy=float(energy), forces=forces)
        minima.append(minimum)
    return _State(
        minima=minima,
        current=record["current"],
        temperature_k=record["temperature_k"],
        energy_window_ev=record["energy_window_ev"],
        log=record["log"],
    )
