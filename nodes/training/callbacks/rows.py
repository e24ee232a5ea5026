"""Which numbers of an epoch are logged, and what they are called."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nodes.training.config.fit import LossConfig, MetricConfig

__all__ = ["Row", "RowWriter", "default_metrics", "row_of"]

Row = Mapping[str, float]
"""Numbers of one epoch by name, ``epoch`` among them."""


class RowWriter(Protocol):
    """Something that keeps rows."""

    def open(self, epoch: int) -> None:
        """Prepare for rows from this epoch on; later ones of a run before are dropped."""
        ...

    def write(self, row: Row) -> None:
        """Keep one row."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


def default_metrics(losses: Sequence[LossConfig]) -> tuple[MetricConfig, ...]:
    """Return MAE and RMSE of what the losses name; those of energies are per atom."""
    names = list(dict.fromkeys(loss.name for loss in losses))
    return tuple(
        MetricConfig(
            name=name,
            reductions=("per_atom_mae", "per_atom_rmse") if name == "energy" else ("mae", "rmse"),
        )
        for name in names
    )


def row_of(metrics: Any, wanted: Sequence[MetricConfig], seconds: float) -> dict[str, float]:
    """Return the row of an epoch.

    Parameters
    ----------
    metrics : `nodes.numerics.fit.EpochMetrics`
    wanted : what to log of each quantity
    seconds : that the epoch took

    Returns
    -------
    dict
        epoch, train_loss, val_loss, ``{train,val}_{name}_{reduction}``, learning_rate, epoch_time
        (s). Units are eV and Angstrom. What there are no labels for is left out.
    """
    row: dict[str, float] = {"epoch": metrics.epoch, "train_loss": metrics.train_loss}
    if metrics.valid_loss is not None:
        row["val_loss"] = metrics.valid_loss
    for metric in wanted:
        for reduction in metric.reductions:
            for part, label in (("train", "train"), ("valid", "val")):
                value = _value(metrics.details, part, metric.name, reduction)
                if value is not None:
                    row[f"{label}_{metric.name}_{reduction}"] = value
    if "learning_rate" in metrics.details:
        row["learning_rate"] = metrics.details["learning_rate"]
    return row | {"epoch_time": seconds}


def _value(details: Mapping[str, float], part: str, name: str, reduction: str) -> float | None:
    if reduction == "cosine_sim":
        cosine = details.get(f"{part}_{name}_cosine")
        return None if cosine is None else 1.0 - cosine
    if reduction.startswith("per_atom_"):
        return details.get(f"{part}_{name}_per_atom_{reduction.removeprefix('per_atom_')}")
    return details.get(f"{part}_{name}_{reduction}")
