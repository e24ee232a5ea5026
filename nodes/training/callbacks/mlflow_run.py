"""A run in MLflow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nodes.extras import require
from nodes.training.callbacks.rows import Row

__all__ = ["MlflowRun"]


class MlflowRun:
    """Logs rows to MLflow; a run that goes on keeps its id in the folder of the run.

    Parameters
    ----------
    experiment : its name in MLflow
    record : text file with the id of the MLflow run
    settings : logged as parameters

    Raises
    ------
    MissingExtraError
        If mlflow is not installed.
    """

    def __init__(self, experiment: str, record: Path, settings: Mapping[str, Any]) -> None:
        self._mlflow: Any = require("mlflow", extra="mlflow")
        self.experiment, self.record, self.settings = experiment, record, settings

    def open(self, epoch: int) -> None:
        """Start a run, or go on with the one before if there are epochs behind."""
        self._mlflow.set_experiment(self.experiment)
        before = self.record.read_text().strip() if epoch > 1 and self.record.is_file() else None
        run = self._mlflow.start_run(run_id=before)
        if before is None:
            self.record.write_text(f"{run.info.run_id}\n")
            self._mlflow.log_params({name: str(value) for name, value in self.settings.items()})

    def write(self, row: Row) -> None:
        """Log the row at its epoch."""
        values = {name: float(value) for name, value in row.items() if name != "epoch"}
        self._mlflow.log_metrics(values, step=int(row["epoch"]))

    def close(self) -> None:
        """End the run."""
        self._mlflow.end_run()
