"""run_md() and run_replicas(): dynamics from structures to frames in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from nodes.numerics.md.batch import Start
from nodes.numerics.md.checkpoint import read_frames, write_frames
from nodes.numerics.md.frames import MDFrames, join_frames
from nodes.numerics.md.settings import MDSettings
from nodes.numerics.md.simulation import Simulation
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.structures import Structure

__all__ = ["MDProgress", "MDResult", "run_md", "run_replicas"]


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
class MDResult(MDFrames):
    """Frames of a run and why it stopped.

    Attributes
    ----------
    stop_reason : str
        'completed', 'not finite', or the kind of the check that stopped it, as 'uncertain'.
    stopped_at_step : int
        The last step; the step that failed if values were not finite.
    stop_text : str
        The reason in words, with value and limit; empty if the run was completed.
    trigger_index : int or None
        Index of the frame at which a check stopped the run, always the last one.
    """

    stop_reason: str
    stopped_at_step: int
    stop_text: str
    trigger_index: int | None


def run_md(
    model: EnergyModel,
    params: Params,
    structure: Structure,
    settings: MDSettings,
    *,
    velocities: np.ndarray | None = None,
    masses: np.ndarray | None = None,
    constraints: Sequence[Any] = (),
    checkpoint_dir: Path | None = None,
    on_block: Callable[[MDProgress], None] | None = None,
) -> MDResult:
    """Run molecular dynamics; all frames are held in memory (`Simulation` gives them in blocks).

    Parameters
    ----------
    model, params
        The potential.
    structure : Structure
        Where to start.
    settings : MDSettings
    velocities, masses, constraints
        See `Start`.
    checkpoint_dir : Path, optional
        Written after each block. A run that finds its own checkpoint there goes on from it and
        gives the same bits as one that was never interrupted.
    on_block : callable, optional
        Called after each block.

    Raises
    ------
    ValueError
        If a check asks for an ensemble that the model does not have, or the checkpoint belongs to
        another run.
    """
    start = Start(structure, velocities, masses, tuple(constraints))
    return _run(model, params, [start], settings, checkpoint_dir, on_block)[0]


def run_replicas(
    model: EnergyModel,
    params: Params,
    starts: Sequence[Start | Structure],
    settings: MDSettings,
    *,
    checkpoint_dir: Path | None = None,
    on_block: Callable[[MDProgress], None] | None = None,
) -> list[MDResult]:
    """Run many systems side by side in one compiled loop.

    They may differ in size, cell, elements and seed, but not in their periodic directions. Each
    gives what a run of its own would give, up to the order of sums, and stops for reasons of its
    own. Structures without a seed get that of the settings plus their row.

    Parameters
    ----------
    starts : sequence of Start or Structure
    checkpoint_dir, on_block
        As for `run_md`; temperature and uncertainty that are reported are those of the first.
    """
    filled = [
        Start(start, seed=settings.seed + row) if isinstance(start, Structure) else start
        for row, start in enumerate(starts)
    ]
    return _run(model, params, filled, settings, checkpoint_dir, on_block)


def _run(
    model: EnergyModel,
    params: Params,
    starts: Sequence[Start],
    settings: MDSettings,
    directory: Path | None,
    on_block: Callable[[MDProgress], None] | None,
) -> list[MDResult]:
    simulation = Simulation(model, params, starts, settings, directory=directory)
    parts: list[list[MDFrames]] = [[] for _ in starts]
    if directory is not None:
        parts = [read_frames(directory, row, n) for row, n in enumerate(simulation.n_frames)]
    for block in simulation:
        for row, (frames, first) in enumerate(zip(block.frames, block.first, strict=True)):
            parts[row].append(frames)
            if directory is not None:
                write_frames(directory, row, first, frames)
        simulation.save()
        if on_block is not None:
            on_block(_progress(simulation, parts))
    return [_result(simulation, row, found) for row, found in enumerate(parts)]


def _progress(simulation: Simulation, parts: Sequence[Sequence[MDFrames]]) -> MDProgress:
    last = next((part for part in reversed(parts[0]) if len(part)), None)
    if last is None:
        return MDProgress(simulation.step, 0, None, None)
    return MDProgress(
        simulation.step,
        simulation.n_frames[0],
        float(last.temperature_k[-1]),
        float(last.force_std_max[-1]),
    )


def _result(simulation: Simulation, row: int, parts: Sequence[MDFrames]) -> MDResult:
    """All frames of a replica, joined, and why it stopped."""
    frames, stop = join_frames(parts), simulation.stops[row]
    checked = stop.reason not in ("completed", "not finite")
    return MDResult(
        **{field.name: getattr(frames, field.name) for field in fields(MDFrames)},
        stop_reason=stop.reason,
        stopped_at_step=stop.step,
        stop_text=stop.text,
        trigger_index=len(frames) - 1 if checked else None,
    )
