"""Events for TensorBoard."""

from pathlib import Path
from typing import Any

from nodes.extras import require
from nodes.training.callbacks.rows import Row

__all__ = ["TensorBoard"]


class TensorBoard:
    """Writes a scalar per column and epoch, with tensorboardX.

    Parameters
    ----------
    directory : to give to ``tensorboard --logdir``

    Raises
    ------
    MissingExtraError
        If tensorboardX is not installed.
    """

    def __init__(self, directory: Path) -> None:
        self._module = require("tensorboardX", extra="tensorboard")
        self.directory = directory
        self._writer: Any = None

    def open(self, epoch: int) -> None:
        """Begin a file of events; TensorBoard drops those of later epochs in older files."""
        purge = epoch if self.directory.is_dir() and any(self.directory.iterdir()) else None
        self._writer = self._module.SummaryWriter(str(self.directory), purge_step=purge)

    def write(self, row: Row) -> None:
        """Add a point to each curve; names are grouped into train, val and the rest."""
        for name, value in row.items():
            part, _, rest = name.partition("_")
            tag = f"{part}/{rest}" if part in ("train", "val") else name
            if name != "epoch":
                self._writer.add_scalar(tag, value, int(row["epoch"]))
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
