"""A table, one row per epoch."""

import csv
import io
from pathlib import Path

from nodes.training.callbacks.rows import Row

__all__ = ["CsvFile"]


class CsvFile:
    """Writes rows to a CSV file, which is complete after each of them.

    Parameters
    ----------
    path : of the file
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._names: list[str] = []

    def open(self, epoch: int) -> None:
        """Keep the rows of earlier epochs that are in the file."""
        kept: list[dict[str, str]] = []
        if self.path.is_file():
            with self.path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if _epoch(row) < epoch]
        self._names = list(kept[0]) if kept else []
        buffer = io.StringIO(newline="")
        if kept:
            writer = csv.DictWriter(buffer, self._names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(buffer.getvalue())

    def write(self, row: Row) -> None:
        """Append a row; the first one names the columns."""
        with self.path.open("a", newline="") as file:
            header = not self._names
            self._names = self._names or list(row)
            writer = csv.DictWriter(
                file, self._names, restval="", extrasaction="ignore", lineterminator="\n"
            )
            if header:
                writer.writeheader()
            writer.writerow(row)

    def close(self) -> None:
        """Nothing is open between rows."""


def _epoch(row: dict[str, str]) -> int:
    """Return the epoch of a row; one that was cut short belongs to no epoch before."""
    text = row.get("epoch") or ""
    whole = text.isdigit() and None not in row.values()
    return int(text) if whole else 2**62
