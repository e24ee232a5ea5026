"""The callbacks that a config asks for, as one."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nodes.training.callbacks.csv_file import CsvFile
from nodes.training.callbacks.dvc_live import DvcLive
from nodes.training.callbacks.mlflow_run import MlflowRun
from nodes.training.callbacks.progress import ProgressBar
from nodes.training.callbacks.rows import RowWriter, default_metrics, row_of
from nodes.training.callbacks.tensorboard import TensorBoard
from nodes.training.config.logs import Callback
from nodes.training.config.train import TrainConfig

__all__ = ["EpochLog", "callbacks_of"]


def callbacks_of(config: TrainConfig) -> list[RowWriter]:
    """Return what a config asks for; what is not installed is named in the error."""
    opened = [_callback(entry, config) for entry in config.callbacks]
    if not config.progress_bar.disable_epoch_pbar:
        opened.append(ProgressBar(config.n_epochs))
    return opened


def _callback(entry: Callback, config: TrainConfig) -> RowWriter:
    directory: Path = config.directory
    if entry.name == "csv":
        return CsvFile(directory / "log.csv")
    if entry.name == "tensorboard":
        return TensorBoard(directory / "tensorboard")
    if entry.name == "dvc":
        return DvcLive(directory / entry.directory)
    settings = config.model_dump(mode="json", exclude={"callbacks", "progress_bar"})
    return MlflowRun(entry.experiment, directory / "mlflow_run.txt", settings)


class EpochLog:
    """Gives the metrics of each epoch to all callbacks; a context, and ``on_epoch`` of a fit.

    Parameters
    ----------
    config : says which numbers are logged
    writers : the callbacks
    """

    def __init__(self, config: TrainConfig, writers: Sequence[RowWriter]) -> None:
        self.metrics = config.metrics or default_metrics(config.loss)
        self.writers = writers
        self._opened = False
        self._before = time.monotonic()

    def __enter__(self) -> "EpochLog":
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened:
            for writer in self.writers:
                writer.close()

    def __call__(self, metrics: Any) -> None:
        """Write one epoch."""
        now = time.monotonic()
        row = row_of(metrics, self.metrics, now - self._before)
        self._before = now
        for writer in self.writers:
            if not self._opened:
                writer.open(metrics.epoch)
            writer.write(row)
        self._opened = True
