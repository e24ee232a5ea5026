"""Settings of what is written and shown while a model is trained."""

from typing import Annotated, Literal

from pydantic import Field

from nodes.schema.section import NO_EFFECT, Section

__all__ = ["Callback", "CsvCallback", "ProgressBarConfig"]


class CsvCallback(Section):
    """A table."""

    name: Literal["csv"]
    """log.csv, one row per epoch."""


class TensorBoardCallback(Section):
    """Curves for TensorBoard."""

    name: Literal["tensorboard"]
    """Events for TensorBoard in the folder tensorboard."""


class MlflowCallback(Section):
    """An MLflow run."""

    name: Literal["mlflow"]
    """A run in MLflow; its server is that of the environment."""
    experiment: str
    """Name of the MLflow experiment."""


class DvcCallback(Section):
    """Live metrics and plots of DVC."""

    name: Literal["dvc"]
    """metrics.json and plots/*.tsv, rewritten every epoch: dvc metrics and dvc plots show them."""
    directory: str = "dvclive"
    """Folder for them, within the folder of the run."""


Callback = Annotated[
    CsvCallback | TensorBoardCallback | MlflowCallback | DvcCallback, Field(discriminator="name")
]


class ProgressBarConfig(Section):
    """What is shown while it runs."""

    disable_epoch_pbar: bool = False
    """No progress bar."""
    disable_batch_pbar: bool = Field(default=True, json_schema_extra=NO_EFFECT)
    """There is no bar of batches: an epoch is one compiled call."""
