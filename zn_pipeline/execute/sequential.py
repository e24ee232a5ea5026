"""One task after the other, in this process: for tests and for a debugger."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from zn_pipeline.execute.worker import run_task
from zn_pipeline.records import StageResult, Task


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
        """Nothing has to be made ready."""

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
