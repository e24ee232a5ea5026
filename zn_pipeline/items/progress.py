"""The progress of a map in a plain script."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator
from typing import Literal

Report = Callable[[int, int], None]


@contextlib.contextmanager
def show_progress(progress: Report | Literal[True, False], label: str) -> Generator[Report | None]:
    """Give what is told how far a map is: the caller's own function, or a bar on a terminal."""
    if callable(progress):
        yield progress
        return
    if not progress or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
