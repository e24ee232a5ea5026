"""Simulation: the host's side of a run.

It starts blocks, makes room when a list overflows, hands frames over block by block and saves what
is needed to go on. While the host is busy with one block, the device works on the next.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.md.batch import Batch, Start, assemble, grow_lists
from nodes.numerics.md.block import run_block
from nodes.numerics.md.checkpoint import Stored, read_state, write_state
from nodes.numerics.md.frames import MDFrames, frames_of, pick_frames
from nodes.numerics.md.settings import MDSettings
from nodes.numerics.md.state import Block, Frames, MDState, Reason
from nodes.numerics.neighbors.device import ListSpec
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.selftest import check_backend
from nodes.numerics.storage import array_digest, flatten

__all__ = ["MDBlock", "Simulation", "Stop"]


@dataclass(frozen=True)
class Stop:
    """Why a replica stopped.

    Attributes
    ----------
    reason : str
        'completed', 'not finite', or the kind of the check, as 'uncertain'.
    step : int
        The last step; the step that failed if values were not finite.
    text : str
        The same in words, with value and limit; empty for a run that was completed.
    """

    reason: str
    step: int
    text: str


@dataclass(frozen=True, eq=False)
class MDBlock:
    """What a block gave.

    Attributes
    ----------
    step : int
        Reached by all replicas that have not stopped.
    frames : tuple of MDFrames
        New frames of each replica, in order.
    first : tuple of int
        How many frames of each replica came before.
    """

    step: int
    frames: tuple[MDFrames, ...]
    first: tuple[int, ...]


class Simulation:
    """Dynamics of one or more systems side by side, as an iterator over `MDBlock`.

    Parameters
    ----------
    model, params
        The potential.
    starts : sequence of Start
    settings : MDSettings
    directory : Path, optional
        Where `save` writes. A simulation that finds its own state there goes on from it and gives
        the same bits as one that was never interrupted; frames of blocks before are not given
        again.

    Raises
    ------
    ValueError
        If settings do not fit to the model or a start, or the directory holds another simulation.

    Examples
    --------
    >>> simulation = Simulation(model, params, [Start(structure)], MDSettings())
    >>> for block in simulation:
    ...     keep(block.frames[0])
    ...     simulation.save()
    >>> simulation.stops[0].reason
    'completed'
    """

    def __init__(
        self,
        model: EnergyModel,
        params: Params,
        starts: Sequence[Start],
        settings: MDSettings,
        *,
        directory: Path | None = None,
    ) -> None:
        check_backend()
        self.model, self.settings, self.directory = model, settings, directory
        needy = [c for c in settings.all_checks if c.needs_members]
        if needy and model.config.n_members < 2:
            raise ValueError(
                "checks must not ask for an uncertainty of a model with one member, received "
                f"{needy[0]}; fit a model with more members"
            )
        with self._scope():
            self._batch: Batch = assemble(model, params, starts, settings)
        self._fingerprint = _fingerprint(model, params, self._batch.starts, settings)
        self._held: list[list[Frames]] = [[] for _ in starts]
        self.n_frames = [0] * len(starts)
        stored = None if directory is None else read_state(directory, self._fingerprint)
        self._state: MDState = self._batch.state if stored is None else self._restored(stored)
        self._look_at_state()

    @cached_property
    def _delay(self) -> int:
        """Steps by which frames are held back, lest frames before a stop come out of order."""
        every = self.settings.steps_per_check
        return self.settings.keep_before * every if every < self.settings.sample_every else 0

    @property
    def step(self) -> int:
        """The step reached by all replicas that have not stopped."""
        return int(self._state.step)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self._looked >= self.settings.n_steps or all(r for r in self._reasons)

    @property
    def stops(self) -> list[Stop]:
        """Why each replica stopped; only once it has."""
        return [self._stop_of(replica) for replica in range(len(self.n_frames))]

    def __iter__(self) -> Iterator[MDBlock]:
        if self.finished:
            return
        running = self._launch(self._state)
        while not self.finished:
            block = running
            # Starts when the block is done, and ends at once if it could not go on.
            running = self._launch(block.state)
            count, overflow = (int(x) for x in jax.device_get((block.n_frames, block.overflow)))
            self._state = block.state
            if overflow:
                self._grow(int(block.needed))
                running = self._launch(self._state)
            before = list(self._reasons)
            self._look_at_state()
            frames = self._new_frames(block, count, before)
            first = tuple(self.n_frames)
            self.n_frames = [n + len(f) for n, f in zip(first, frames, strict=True)]
            yield MDBlock(self.step, frames, first)

    def save(self) -> None:
        """Write the state that belongs to the frames given so far; keep those first."""
        if self.directory is None:
            return
        record = {
            "fingerprint": self._fingerprint,
            "n_frames": self.n_frames,
            "spec": self._batch.program.spec.to_record(),
        }
        held = {
            f"{replica}.{k}": frames
            for replica, parts in enumerate(self._held)
            for k, frames in enumerate(parts)
        }
        write_state(self.directory, jax.device_get(self._state), held, record)

    def _scope(self) -> AbstractContextManager[Any]:
        """The precision that the model asks for."""
        scope = getattr(self.model, "scope", None)
        return contextlib.nullcontext() if scope is None else scope()

    def _launch(self, state: MDState) -> Block:
        """Let the device begin a block; does not wait."""
        with self._scope():
            return run_block(self._batch.program, self._batch.system, state)

    def _grow(self, needed: int) -> None:
        with self._scope():
            self._batch, self._state = grow_lists(self._batch, self._state, needed)

    def _restored(self, stored: Stored) -> MDState:
        self.n_frames = list(stored.record["n_frames"])
        for name, frames in stored.held.items():
            self._held[int(name.split(".")[0])].append(frames)
        with self._scope():
            self._batch = self._batch.with_spec(ListSpec.from_record(stored.record["spec"]))
            return jax.tree.map(jnp.asarray, stored.state(self._batch.state))

    def _look_at_state(self) -> None:
        state = self._state
        reasons, looked = jax.device_get((state.reason, state.looked))
        self._reasons, self._looked = [int(r) for r in reasons], int(looked)

    def _new_frames(self, block: Block, count: int, before: Sequence[int]) -> tuple[MDFrames, ...]:
        """Frames of a block that can be given, after those held back in blocks before."""
        stopped = [now != then for now, then in zip(self._reasons, before, strict=True)]
        raw = Frames(*(leaf[:count] for leaf in jax.device_get(block.frames)))
        recent = jax.device_get(block.state.recent) if self._delay and any(stopped) else None
        given = []
        for replica, facts in enumerate(self._batch.facts):
            rows = raw.step[:, replica] >= 0
            parts = [*self._held[replica], pick_frames(raw, rows, replica)]
            if recent is not None and stopped[replica]:
                rows = recent.step[:, replica] >= 0
                parts.append(pick_frames(recent, rows, replica))
            frames = _in_order(parts)
            last = self._looked - (0 if self._reasons[replica] else self._delay)
            done = self._looked >= self.settings.n_steps
            ready = frames.step <= (frames.step.max(initial=0) if done else last)
            self._held[replica] = [] if ready.all() else [_rows(frames, ~ready)]
            given.append(frames_of(_rows(frames, ready), facts))
        return tuple(given)

    def _stop_of(self, replica: int) -> Stop:
        reason = self._reasons[replica]
        stopped_at, value = jax.device_get((self._state.stopped_at, self._state.value))
        step = int(stopped_at[replica])
        if reason == Reason.NONE:
            return Stop("completed", step, "")
        if reason == Reason.NOT_FINITE:
            return Stop("not finite", step, f"step {step}: values are not finite")
        check = self.settings.all_checks[reason - Reason.CHECK]
        text = f"step {step}: {type(check).__name__}: {check.text(float(value[replica]))}"
        return Stop(check.kind, step, text)


def _in_order(parts: Sequence[Frames]) -> Frames:
    """All frames by their step, each step once."""
    joined = Frames(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    _, rows = np.unique(joined.step, return_index=True)
    return _rows(joined, rows)


def _rows(frames: Frames, rows: np.ndarray) -> Frames:
    return Frames(*(leaf[rows] for leaf in frames))


def _fingerprint(
    model: EnergyModel, params: Params, starts: Sequence[Start], settings: MDSettings
) -> str:
    """Digest of all that determines the outcome."""
    digest = hashlib.sha256(f"{model} {settings}".encode())
    digest.update(array_digest(flatten(params)).encode())
    for start in starts:
        arrays = {
            "numbers": start.structure.numbers,
            "positions": start.structure.positions,
            "cell": start.structure.cell,
            "pbc": start.structure.pbc,
            "velocities": np.asarray(start.velocities),
            "masses": np.asarray(start.masses),
        }
        digest.update(f"{start.seed} {start.constraints} {array_digest(arrays)}".encode())
    return digest.hexdigest()
