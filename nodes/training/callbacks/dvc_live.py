"""Live metrics and plots of DVC: plain files that are rewritten every epoch."""

import json
from pathlib import Path

from nodes.training.callbacks.csv_file import CsvFile
from nodes.training.callbacks.rows import Row

__all__ = ["DvcLive"]


class DvcLive:
    """Writes ``metrics.json`` with the last epoch and ``plots/<name>.tsv`` with all of them.

    ``dvc metrics show`` and ``dvc plots show`` find them through the ``dvc.yaml`` beside them.

    Parameters
    ----------
    directory : for these files
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._rows: list[dict[str, float]] = []

    def open(self, epoch: int) -> None:
        """Read the rows of earlier epochs back."""
        (self.directory / "plots").mkdir(parents=True, exist_ok=True)
        table = CsvFile(self.directory / "plots" / "all.csv")
        table.open(epoch)
        lines = [line.split(",") for line in table.path.read_text().splitlines()]
        names, values = (lines[0], lines[1:]) if lines else ([], [])
        self._rows = [
            {name: float(text) for name, text in zip(names, line, strict=True) if text}
            for line in values
        ]
        self._table = table
        settings = "metrics:\n  - metrics.json\nplots:\n  - plots:\n      x: epoch\n"
        _replace(self.directory / "dvc.yaml", settings)

    def write(self, row: Row) -> None:
        """Rewrite everything."""
        self._table.write(row)
        self._rows.append(dict(row))
        for name in row:
            if name != "epoch":
                points = [f"{int(r['epoch'])}\t{r[name]!r}" for r in self._rows if name in r]
                text = "\n".join([f"epoch\t{name}", *points]) + "\n"
                _replace(self.directory / "plots" / f"{name}.tsv", text)
        _replace(self.directory / "metrics.json", json.dumps(dict(row), indent=2) + "\n")

    def close(self) -> None:
        """Nothing is open between rows."""


def _replace(path: Path, text: str) -> None:
    """Write a file that is whole at any time."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text)
    temporary.replace(path)
