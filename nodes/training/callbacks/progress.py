"""A bar in the terminal, or a line now and then where there is no terminal."""

import time
from typing import Any

from nodes.training.callbacks.rows import Row

__all__ = ["ProgressBar"]

_SECONDS_BETWEEN_LINES = 20.0


class ProgressBar:
    """Shows epoch, loss, MAEs of energies (meV/atom) and forces (meV/Angstrom), and time left.

    Parameters
    ----------
    n_epochs : in all
    console : rich.console.Console, optional
    """

    def __init__(self, n_epochs: int, console: Any = None) -> None:
        from rich.console import Console

        self.n_epochs = n_epochs
        self.console = console or Console(stderr=True)
        self._bar: Any = None
        self._task: Any = None
        self._last_line = 0.0

    def open(self, epoch: int) -> None:
        """Show the bar, if there is a terminal."""
        if not self.console.is_terminal:
            return
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._task = self._bar.add_task("", total=self.n_epochs, completed=epoch - 1)
        self._bar.start()

    def write(self, row: Row) -> None:
        """Move on by one epoch."""
        epoch, text = int(row["epoch"]), summary(row)
        if self._bar is not None:
            self._bar.update(self._task, completed=epoch, description=text)
            return
        now = time.monotonic()
        if epoch == self.n_epochs or now - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = now
            self.console.print(f"epoch {epoch}/{self.n_epochs}  {text}", highlight=False)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


def summary(row: Row) -> str:
    """Return the numbers of a row that one looks at first."""
    parts = [f"loss {row['train_loss']:.3g}"]
    if "val_loss" in row:
        parts.append(f"val {row['val_loss']:.3g}")
    part = "val" if "val_loss" in row else "train"
    energy, forces = row.get(f"{part}_energy_per_atom_mae"), row.get(f"{part}_forces_mae")
    if energy is not None:
        parts.append(f"E {1e3 * energy:.3g} meV/atom")
    if forces is not None:
        parts.append(f"F {1e3 * forces:.3g} meV/A")
    return "  ".join(parts)
