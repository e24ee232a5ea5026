"""What long calculations share: checkpoints, frames on disk, and the end of the time they have."""

import contextlib
import hashlib
import io
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, all_properties

import zn_pipeline as zn
from nodes.interfaces import HasCalculator
from nodes.labels import attach_results

__all__ = [
    "Checkpoint",
    "FrameLog",
    "Saved",
    "StepClock",
    "WalltimeError",
    "forget",
    "own_calculator",
    "read_with",
    "with_results",
]

DEADLINE_VARIABLE = "ZN_DEADLINE"
"""Environment variable with the unix time (s) at which a job ends."""

MARGIN_SECONDS = 10.0
"""Time to leave for writing a checkpoint."""

BLOCK_FRAMES = 250

_CALCULATORS_READ = (
    "initial_magmoms",
    "initial_charges",
    "info.charge",
    "info.spin",
    "info.multiplicity",
)
_KEPT_RESULTS = ("energy", "forces", "stress")


class WalltimeError(zn.PipelineError):
    """The time of the job is nearly over; the calculation goes on from its checkpoint."""

    failure_kind = "timeout"


@contextlib.contextmanager
def own_calculator(
    spec: HasCalculator, scratch: Path | None
) -> Generator[BaseCalculator, None, None]:
    """Give a new calculator with a folder of its own, and close it in the end."""
    directory = None if scratch is None else scratch / "calculator"
    calculator = spec.get_calculator(directory=directory)
    try:
        yield calculator
    finally:
        close = getattr(calculator, "close", None)
        if close is not None:
            close()


def read_with(spec: HasCalculator, *names: str) -> tuple[str, ...] | str:
    """Return `names` together with what a calculator reads of a structure."""
    known = getattr(spec, "reads", _CALCULATORS_READ)
    return known if isinstance(known, str) else (*names, *known)


def forget(calculator: BaseCalculator | None) -> None:
    """Make the next result independent of what was computed before.

    Done at each checkpoint: a run that was not interrupted then does exactly what one that goes on
    from there with a new calculator does.
    """
    reset = getattr(calculator, "reset", None)
    if reset is not None:
        reset()


def with_results(atoms: Atoms) -> Atoms:
    """Return a copy of `atoms` with energy, forces, stress and results unknown to ASE, if known."""
    calculator: Any = atoms.calc
    found = {name: calculator.get_property(name, atoms) for name in ("energy", "forces")}
    found |= {
        name: np.copy(value) if np.ndim(value) else value
        for name, value in calculator.results.items()
        if value is not None and (name in _KEPT_RESULTS or name not in all_properties)
    }
    frame = atoms.copy()
    attach_results(frame, found)
    return frame


class Saved(NamedTuple):
    """Content of a checkpoint: arrays, and plain values as JSON knows them."""

    arrays: dict[str, np.ndarray]
    values: dict[str, Any]


class Checkpoint:
    """The state of one calculation, in one file that is either complete or not there.

    Parameters
    ----------
    folder : where to keep it; None keeps nothing
    name : of the kind of calculation
    start : the structures that it starts from; others have other files
    """

    def __init__(self, folder: Path | None, name: str, *start: Atoms) -> None:
        self.folder = folder
        self.stem = f"{name}-{_digest(start)}"

    def load(self) -> Saved | None:
        """Return what was saved last, exactly; None if nothing (readable) was."""
        if self.folder is None:
            return None
        try:
            content = (self.folder / f"{self.stem}.npz").read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (FileNotFoundError, ValueError, EOFError, zipfile.BadZipFile):
            return None
        return Saved(arrays, json.loads(arrays.pop("values").tobytes()))

    def save(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        """Replace what was saved before."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        text = np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, values=text, **arrays)
        target = self.folder / f"{self.stem}.npz"
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
            file.write(buffer.getvalue())
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(target)


def _digest(structures: tuple[Atoms, ...]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for atoms in structures:
        for array in (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(atoms.get_momenta().tobytes())
    return digest.hexdigest()


class FrameLog:
    """Frames of a run: full blocks in files, the last few in memory too.

    Parameters
    ----------
    checkpoint : tells folder and names of the files; without a folder all stays in memory
    n_frames : how many frames the last checkpoint knows of; later ones are dropped
    """

    def __init__(self, checkpoint: Checkpoint, n_frames: int = 0) -> None:
        self._checkpoint = checkpoint
        self._full, count = divmod(n_frames, BLOCK_FRAMES)
        self._recent: list[Atoms] = list(self._block(self._full)[:count]) if count else []

    def __len__(self) -> int:
        return self._full * BLOCK_FRAMES + len(self._recent)

    def append(self, frame: Atoms) -> None:
        """Add one frame."""
        self._recent.append(frame)
        if self._checkpoint.folder is not None and len(self._recent) == BLOCK_FRAMES:
            self.flush()
            self._full += 1
            self._recent = []

    def flush(self) -> None:
        """Write what is in memory alone."""
        if self._checkpoint.folder is not None and self._recent:
            zn.write_frames(self._path(self._full), self._recent)

    def frames(self) -> list[Atoms]:
        """Return all frames, in order."""
        done = [atoms for block in range(self._full) for atoms in self._block(block)]
        return done + self._recent

    def _block(self, number: int) -> zn.Frames:
        return zn.Frames.from_file(self._path(number))

    def _path(self, number: int) -> Path:
        folder = self._checkpoint.folder or Path()
        return folder / f"{self._checkpoint.stem}-frames-{number:06d}.h5"


class StepClock:
    """Says after which steps to save, and when to stop because the time of the job is over.

    Parameters
    ----------
    interval : steps between checkpoints
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.deadline = float(os.environ.get(DEADLINE_VARIABLE, "inf"))
        self.late = False
        self._begin = self._last = time.monotonic()
        self._steps = 0
        self._longest = 0.0

    def due(self, step: int) -> bool:
        """Whether to save after this step: in regular intervals, and when time runs out."""
        now = time.monotonic()
        self._longest, self._last = max(self._longest, now - self._last), now
        self._steps += 1
        regular = step % self.interval == 0
        # To stop at a regular checkpoint is best: there the next attempt goes on exactly.
        per_block = (now - self._begin) / self._steps * self.interval
        needed = per_block if regular else 2.0 * self._longest
        self.late = time.time() + needed + MARGIN_SECONDS > self.deadline
        return regular or self.late

    def stop_if_late(self, step: int, total: int) -> None:
        """Raise WalltimeError if there is no time for more; call it when all is saved."""
        if self.late:
            raise WalltimeError(
                f"step {total} must be reached before the job ends, received only {step} steps; "
                "another attempt goes on from here"
            )
