"""Live display of a run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zn_pipeline.records import RunReport, StageReport, Status

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

_STYLES = {
    Status.UNCHANGED: "dim",
    Status.RESTORED: "cyan",
    Status.DONE: "green",
    Status.FAILED: "bold red",
    Status.SKIPPED: "yellow",
}


class LiveDisplay:
    """Shows settled nodes as lines, and running ones with their progress below.

    Parameters
    ----------
    tmp : folder in which nodes leave their progress
    console : where to draw; on anything but a terminal only the lines of settled nodes appear
    show_unchanged : show also the nodes that were up to date
    """

    def __init__(
        self, tmp: Path, console: Console | None = None, *, show_unchanged: bool = False
    ) -> None:
        from rich.console import Console

        self._tmp = tmp
        self._console = console or Console(stderr=True, highlight=False)
        self._show_unchanged = show_unchanged
        self._live: Live | None = None
        self._total = self._settled = 0
        self._since: dict[str, float] = {}
        self._announced: set[str] = set()
        self._drawn = 0.0

    def begin(self, total: int) -> None:
        """Open the display for so many stages."""
        self._total, self._settled = total, 0
        if self._console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()

    def running(self, names: Sequence[str]) -> None:
        """Show which nodes run now."""
        now = time.monotonic()
        self._since = {name: self._since.get(name, now) for name in names}
        if self._live is None:
            for name in names:
                if name not in self._announced:
                    self._announced.add(name)
                    self._console.print(f"  running   {name}", style="dim")
            return
        if now - self._drawn > 0.1:
            self._drawn = now
            self._live.update(self._table(now), refresh=True)

    def settled(self, report: StageReport) -> None:
        """Show that a stage is settled."""
        from rich.text import Text

        self._settled += 1
        if report.status is Status.UNCHANGED and not self._show_unchanged:
            return
        seconds = f"  {report.seconds:.1f} s" if report.seconds >= 0.05 else ""
        detail = report.error or (report.reason if report.status is not Status.DONE else "")
        line = Text(f"  {report.status:9s} {report.name}{seconds}", style=_STYLES[report.status])
        if detail:
            line.append(f"  {detail}", style="dim")
        self._console.print(line)

    def end(self) -> None:
        """Close the display."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self, now: float) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for name, since in self._since.items():
            table.add_row("  running  ", name, f"{now - since:.0f} s", Text(self._progress(name)))
        table.add_row(f"  {self._settled} of {self._total} settled")
        return table

    def _progress(self, name: str) -> str:
        try:
            done, total = (self._tmp / "progress" / name).read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            return ""
        filled = round(20 * int(done) / max(int(total), 1))
        return f"[{'#' * filled}{'.' * (20 - filled)}] {done}/{total}"


def summary(report: RunReport) -> str:
    """Return one line that says what a run came to."""
    counts = [
        (len(report.done), "done"),
        (len(report.restored), "restored"),
        (len(report.unchanged), "unchanged"),
        (len(report.failed), "failed"),
        (len(report.skipped), "skipped"),
    ]
    parts = [f"{count} {word}" for count, word in counts if count]
    return f"{', '.join(parts) or 'nothing to do'} in {report.seconds:.1f} s"
