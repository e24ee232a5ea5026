"""One task after the other, in this process: for tests and for a debugger."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from zn_pipeline.execute.worker import run_task
from zn_pipeline.records import StageResult, Task

_IMPORTED = time.time()
"""Modules of users import the framework, so what was written before was imported as it is now."""


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
        """Forget modules of the project that were edited since they may have been imported."""
        del tmp
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if name == "__main__" or not file or not Path(file).is_relative_to(root):
                continue
            if Path(file).exists() and Path(file).stat().st_mtime > _IMPORTED:
                del sys.modules[name]

    def submit(self, task: Task) -> None:
        """Queue a task."""
        self._queue.append(task)

    def wait(self, timeout_seconds: float) -> Sequence[StageResult]:
        """Run the next task, however long it takes."""
        del timeout_seconds
        if not self._queue:
            return []
        return [run_task(self._queue.popleft(), log=self._log)]

    def running(self) -> Sequence[str]:
        """Return the task that comes next."""
        return [self._queue[0].name] if self._queue else []

    def stop(self) -> None:
        """Forget what is queued."""
        self._queue.clear()
