"""A simulation with a trained potential in a folder: what ``znp md`` does."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.atoms import structure_of
from nodes.dynamics.config.lower_md import lower_md
from nodes.dynamics.config.md import MdConfig
from nodes.dynamics.trajectory_file import TrajectoryFile
from nodes.schema.reading import write_config

if TYPE_CHECKING:
    from nodes.numerics.biases import Bias
    from nodes.numerics.md import MDSettings
    from nodes.numerics.potentials import EnergyModel, Params

__all__ = ["SimulationSummary", "simulate", "start_structure"]


@dataclass(frozen=True)
class SimulationSummary:
    """What came out of a simulation.

    Attributes
    ----------
    trajectory : file of the frames
    n_frames : in it
    stop_reason, stop_text : "completed", or why it stopped
    stopped_at_step : the last one
    n_new_steps : of this call; fewer than all if it went on
    seconds : wall time of this call, compilation included
    """

    trajectory: str
    n_frames: int
    stop_reason: str
    stop_text: str
    stopped_at_step: int
    n_new_steps: int
    seconds: float

    @property
    def lines(self) -> list[str]:
        """The same for people to read."""
        return [
            f"trajectory: {self.trajectory} ({self.n_frames} frames)",
            f"stopped: {self.stop_text or self.stop_reason} (step {self.stopped_at_step})",
            f"time: {self.seconds:.1f} s for {self.n_new_steps} steps",
        ]


def simulate(model: "EnergyModel", params: "Params", config: MdConfig) -> SimulationSummary:
    """Run a simulation; one that was interrupted goes on from its last state.

    Beside the trajectory are written ``<name>.yaml`` (the settings), ``<name>.json`` (the summary)
    and, while it runs, the folder ``<name>.checkpoint``.

    Raises
    ------
    ValueError
        If settings do not fit to model or structure, or the state is that of another simulation.
    """
    from nodes.numerics.md import Simulation, Start

    started, trajectory = time.monotonic(), config.trajectory
    checkpoint = trajectory.with_suffix(".checkpoint")
    if not config.restart:
        shutil.rmtree(checkpoint, ignore_errors=True)
    settings = replace(lower_md(config), biases=biased(model, config))
    atoms = start_structure(config)
    velocities = atoms.get_velocities() if config.load_momenta else None
    masses = atoms.get_masses() if atoms.has("masses") else None
    trajectory.parent.mkdir(parents=True, exist_ok=True)
    simulation = Simulation(
        model,
        params,
        [Start(structure_of(atoms), velocities, masses)],
        settings,
        directory=checkpoint,
    )
    write_config(trajectory.with_suffix(".yaml"), config)
    first = max(simulation.step, 0)
    with TrajectoryFile(
        trajectory,
        atoms,
        config.properties,
        config.h5md_options,
        n_frames=simulation.n_frames[0],
        sample_every=settings.sample_every,
        timestep_fs=settings.timestep_fs,
    ) as file:
        _run(simulation, file, settings, config)
    stop = simulation.stops[0]
    summary = SimulationSummary(
        trajectory=str(trajectory),
        n_frames=simulation.n_frames[0],
        stop_reason=stop.reason,
        stop_text=stop.text,
        stopped_at_step=stop.step,
        n_new_steps=stop.step - first,
        seconds=time.monotonic() - started,
    )
    trajectory.with_suffix(".json").write_text(json.dumps(asdict(summary), indent=2) + "\n")
    return summary


def start_structure(config: MdConfig) -> Atoms:
    """Read the structure to start from.

    Raises
    ------
    ValueError
        If the file cannot be read, or momenta are asked for that it does not have.
    """
    path = Path(config.initial_structure)
    if not path.is_file():
        raise ValueError(f"initial_structure must be a file, received {path}")
    if path.suffix in (".h5", ".h5md", ".hdf5"):
        atoms = zn.Frames.from_file(path)[-1]
    else:
        atoms = ase.io.read(path, index=-1)
    assert isinstance(atoms, Atoms)
    if config.load_momenta and not np.any(atoms.get_momenta()):
        raise ValueError(
            f"initial_structure must have momenta for load_momenta, received none in {path}"
        )
    return atoms


def biased(model: "EnergyModel", config: MdConfig) -> "tuple[Bias, ...]":
    """Return the biases that a config asks for.

    Raises
    ------
    ValueError
        If the model cannot have them, or a number is out of range.
    """
    from nodes.numerics.biases import SphericalWall, check_biases

    walls = [SphericalWall(bias.radius, bias.spring_constant) for bias in config.biases]
    return check_biases(walls, model.config.n_members)


def _run(simulation: Any, file: TrajectoryFile, settings: "MDSettings", config: MdConfig) -> None:
    """Run to the end; frames are on disk before the state that knows of them."""
    saved = max(simulation.step, 0)
    with _progress_bar(settings.n_steps, hidden=config.disable_pbar) as advance:
        for block in simulation:
            frames = block.frames[0]
            file.append(frames)
            if simulation.finished or block.step - saved >= config.checkpoint_interval:
                file.flush()
                simulation.save()
                saved = block.step
            if len(frames):
                advance(max(block.step, 0), f"{frames.temperature_k[-1]:.0f} K")


@contextlib.contextmanager
def _progress_bar(n_steps: int, *, hidden: bool) -> Generator[Callable[[int, str], None]]:
    """Show a bar in a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=hidden or not console.is_terminal) as bar:
        task = bar.add_task("steps", total=n_steps)
        yield lambda step, text: bar.update(task, completed=step, description=text)
