"""TrainConfig: the whole file."""

from pathlib import Path

from pydantic import Field, NonNegativeFloat, PositiveInt

from nodes.schema.section import Section
from nodes.training.config.data import DataConfig
from nodes.training.config.fit import (
    LossConfig,
    MetricConfig,
    OptimizerConfig,
    TransferConfig,
    WeightAverageConfig,
)
from nodes.training.config.logs import Callback, CsvCallback, ProgressBarConfig
from nodes.training.config.model import Gmnn, Model

__all__ = ["TrainConfig"]


class TrainConfig(Section):
    """Everything about one training run."""

    n_epochs: PositiveInt
    """Epochs to train."""
    patience: PositiveInt | None = None
    """Stop after so many epochs without a lower validation loss; null never stops."""
    patience_min_delta: NonNegativeFloat = 0.0
    """A loss counts as lower, for patience, if it is lower by more than this."""
    seed: int = Field(default=1, ge=0)
    """Of the split, the initial weights and the order of structures."""
    data_parallel: bool = True
    """Share each batch between all devices; false uses one."""
    ckpt_interval: PositiveInt = 10
    """Epochs between checkpoints; 500 in apax."""
    normalise_features: bool = True
    """Bring features to zero mean and one scale before training; false is as in apax."""
    data: DataConfig
    """Structures and what is done with them before training."""
    model: Model = Gmnn()
    """What is trained."""
    metrics: tuple[MetricConfig, ...] = ()
    """Errors to log each epoch; without any, MAE and RMSE of what the losses name."""
    loss: tuple[LossConfig, ...] = Field(min_length=1)
    """Terms of the loss, which are added."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How weights follow from gradients."""
    weight_average: WeightAverageConfig | None = None
    """Average the weights over the last epochs. The average is what is validated and saved."""
    callbacks: tuple[Callback, ...] = (CsvCallback(name="csv"),)
    """Where the numbers of each epoch go."""
    progress_bar: ProgressBarConfig = ProgressBarConfig()
    """What is shown while it runs."""
    transfer_learning: TransferConfig | None = None
    """Start from a trained model."""

    @property
    def directory(self) -> Path:
        """The folder of this run."""
        return Path(self.data.directory) / self.data.experiment
