"""What the engine expects of an executor, and what it tells a display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from zn_pipeline.records import StageReport, StageResult, Task


class Executor(Protocol):
    """Runs tasks somewhere. Used from one thread; made for one run.

    ``start`` is called once, before the first task and only if there is one.
    """

    def start(self, root: str, tmp: str) -> None:
        """Make ready to run tasks of a project."""
        ...

    def submit(self, task: Task) -> None:
        """Take a task; it runs as soon as there is room."""
        ...

    def wait(self, timeout_seconds: float) -> Sequence[StageResult]:
        """Return results as they come; an empty list if none came in time."""
        ...

    def running(self) -> Sequence[str]:
        """Return the names of tasks that have been started and have not ended."""
        ...

    def has_workers(self) -> bool:
        """Whether workers are kept from an earlier run of this executor."""
        ...

    def stop(self) -> None:
        """End all workers, running tasks too."""
        ...


class Display(Protocol):
    """Shows a run while it goes on."""

    def begin(self, total: int) -> None:
        """Open the display for so many stages."""
        ...

    def running(self, names: Sequence[str]) -> None:
        """Show which nodes run now."""
        ...

    def settled(self, report: StageReport) -> None:
        """Show that a stage is settled."""
        ...

    def end(self) -> None:
        """Close the display."""
        ...


class NoDisplay:
    """Shows nothing."""

    def begin(self, total: int) -> None:
        """Show nothing."""

    def running(self, names: Sequence[str]) -> None:
        """Show nothing."""

    def settled(self, report: StageReport) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""
