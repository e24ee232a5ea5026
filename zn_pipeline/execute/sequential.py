"""One task after the other, in this process: for tests and for a debugger."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from zn_pipeline.execute.worker import run_task
from zn_pipeline.fingerprint.code import is_own
from zn_pipeline.node import SOURCES
from zn_pipeline.records import StageResult, Task

_STARTED = time.time_ns()
_seen: dict[str, tuple[int, int]] = {}


class SequentialExecutor:
    """Runs nodes in this process, one at a time.

    Parameters
    ----------
    log : send what nodes print to ``node.log``; False leaves it on the terminal, for a debugger
    """

    def __init__(self, *, log: bool = True) -> None:
        self._log = log
        self._queue: deque[Task] = deque()

    def start(self, root: str, tmp: str) -> None:
        """Forget the modules of the project if one of them was edited since it was imported."""
        del tmp
        own = _own_modules(Path(root))
        if any(_was_edited(name, stamp) for name, stamp in own.items()):
            for name in [*own, *_folders(Path(root))]:
                del sys.modules[name]
        _seen.update(own)

    def submit(self, task: Task) -> None:
        """Queue a task."""
        self._queue.append(task)

    def wait(self, timeout_seconds: float) -> Sequence[StageResult]:
        """Run the next task, however long it takes.

        Raises
        ------
        KeyboardInterrupt
            If it was interrupted; what is queued does not run then.
        """
        del timeout_seconds
        if not self._queue:
            return []
        result = run_task(self._queue.popleft(), log=self._log)
        if (result.error or "").startswith("KeyboardInterrupt"):  # it was meant for the run
            raise KeyboardInterrupt
        return [result]

    def running(self) -> Sequence[str]:
        """Return the task that comes next."""
        return [self._queue[0].name] if self._queue else []

    def has_workers(self) -> bool:
        """There are none."""
        return False

    def stop(self) -> None:
        """Forget what is queued."""
        self._queue.clear()


def _own_modules(root: Path) -> dict[str, tuple[int, int]]:
    """Return the imported modules of a project, with time of change and size of their files."""
    found: dict[str, tuple[int, int]] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name == "__main__" or not file or not Path(file).is_relative_to(root):
            continue
        if is_own(name.partition(".")[0]) and Path(file).exists():
            info = Path(file).stat()
            found[name] = (info.st_mtime_ns, info.st_size)
    return found


def _folders(root: Path) -> list[str]:
    """Return imported packages without ``__init__.py``; they hold on to the modules in them."""
    found: list[str] = []
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) is None:
            with contextlib.suppress(KeyError):  # the package above it was forgotten
                places = [Path(place) for place in getattr(module, "__path__", ())]
                found.extend([name] if any(p.is_relative_to(root) for p in places) else [])
    return found


def _was_edited(name: str, stamp: tuple[int, int]) -> bool:
    """Whether the file differs from what was imported, as far as that is known.

    Modules of users import the framework, so a file older than this process's framework is as it
    was imported.
    """
    known = SOURCES.get(name) or _seen.get(name)
    return stamp != known if known is not None else stamp[0] > _STARTED
