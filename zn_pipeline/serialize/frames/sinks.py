"""Where frames go: what all writers share, in memory and in files."""

from __future__ import annotations

import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ase import Atoms

from .nesting import NestingRecorder
from .sequence import Frames
from .snapshot import copy_valid, take_apart
from .sources import ListSource


class Sink(ABC):
    """Takes frames one by one, and notes which belong together."""

    def __init__(self) -> None:
        self._nesting = NestingRecorder()

    def __len__(self) -> int:
        return self._nesting.n_frames

    @abstractmethod
    def append(self, atoms: Atoms) -> None:
        """Add one frame; `atoms` is copied and may be changed afterwards."""

    def extend(self, frames: Iterable[Any]) -> None:
        """Add several frames: a list, a generator or `Frames`; lists within it become groups."""
        for entry in entries_of(frames):
            if not is_group(entry):
                self.append(entry)
                continue
            self.begin_group()
            self.extend(entry)
            self.end_group()

    @property
    def n_groups(self) -> int:
        """Groups begun so far."""
        return self._nesting.n_groups

    def begin_group(self) -> None:
        """Begin a group: the frames up to `end_group` belong together."""
        self._nesting.begin()

    def end_group(self) -> None:
        """End the group that was begun last."""
        self._nesting.end()


def entries_of(frames: Iterable[Any]) -> Iterable[Any]:
    """Structures and groups in an iterable, or in `Frames`."""
    return frames.entries() if isinstance(frames, Frames) else frames


def is_group(entry: Any) -> bool:
    """Whether an entry holds further entries, and is no structure or something wrong."""
    return isinstance(entry, Iterable) and not isinstance(entry, Atoms | str | bytes | Mapping)


class MemorySink(Sink):
    """Keeps copies of the frames."""

    def __init__(self) -> None:
        super().__init__()
        self._frames: list[Atoms] = []

    def append(self, atoms: Atoms) -> None:
        """Add a copy of one frame."""
        try:
            take_apart(atoms)
            self._frames.append(copy_valid(atoms))
        except (TypeError, ValueError) as error:
            raise type(error)(f"frame {len(self)}: {error}") from error
        self._nesting.frames()

    def source(self) -> ListSource:
        """Hand over what was collected; the sink is not to be used afterwards."""
        return ListSource(self._frames, self._nesting.root())


class FileSink(Sink):
    """Writes ``.<name>.<token>.part`` beside the target, which takes its place in one step.

    If the process dies or the ``with`` block raises, the target is as it was before.

    Parameters
    ----------
    path
        Target file; missing folders are made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.part = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
        self._published = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    @abstractmethod
    def finish(self) -> None:
        """Complete the part file and make sure it is on disk; a second call does nothing."""

    @abstractmethod
    def _release(self) -> None:
        """Close the part file, complete or not."""

    def publish(self) -> None:
        """Put the finished file in the place of the target."""
        self.part.replace(self.path)
        self._published = True

    def close(self) -> None:
        """Write what is buffered and put the file in the place of the target."""
        if self._published:
            return
        try:
            self.finish()
            self.publish()
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Give up: remove what was written and leave the target as it is."""
        self._release()
        if not self._published:
            self.part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Make sure that the content is on disk before the file gets its name."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
