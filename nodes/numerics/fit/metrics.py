"""What is told of an epoch, of each structure and each value with equal weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from nodes.numerics.fit.config import Loss
from nodes.numerics.fit.objective import Sums

__all__ = ["EpochMetrics", "metrics_of", "total_loss"]


@dataclass(frozen=True)
class EpochMetrics:
    """Metrics of one epoch.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    train_loss : float
        Average over the epoch, while the weights change.
    valid_loss : float or None
        Of the averaged weights; None without validation structures, as all below.
    energy_mae_ev_per_atom, energy_rmse_ev_per_atom : float or None
    forces_mae_ev_per_angstrom, forces_rmse_ev_per_angstrom : float or None
        Over components.
    details : dict of str to float
        ``{train,valid}_{property}_{mae,mse,rmse}`` of energy (eV), energy_per_atom, forces, stress
        (times the volume, eV) and property heads, as far as there are labels;
        ``{train,valid}_forces_cosine``, the mean cosine of the angle to the reference;
        ``{train,valid}_loss_{name}_{kind}`` of each term before its weight; and ``learning_rate``,
        the highest of any group at the end of the epoch.
    """

    epoch: int
    train_loss: float
    valid_loss: float | None = None
    energy_mae_ev_per_atom: float | None = None
    energy_rmse_ev_per_atom: float | None = None
    forces_mae_ev_per_angstrom: float | None = None
    forces_rmse_ev_per_angstrom: float | None = None
    details: dict[str, float] = field(default_factory=dict)

    def row(self) -> dict[str, float]:
        """All metrics that there are, side by side."""
        own = {name: value for name, value in vars(self).items() if name != "details"}
        return {name: value for name, value in own.items() if value is not None} | self.details


def metrics_of(
    epoch: int,
    losses: Sequence[Loss],
    learning_rate: float,
    train: Sequence[Sums],
    valid: Sequence[Sums],
) -> EpochMetrics:
    """Metrics from the sums of all batches; ``valid`` may be empty."""
    trained = _added(train)
    details = _details("train", losses, trained)
    if not valid:
        details["learning_rate"] = learning_rate
        return EpochMetrics(epoch, total_loss(losses, trained), details=details)
    validated = _added(valid)
    details |= _details("valid", losses, validated) | {"learning_rate": learning_rate}
    return EpochMetrics(
        epoch,
        total_loss(losses, trained),
        total_loss(losses, validated),
        details.get("valid_energy_per_atom_mae"),
        details.get("valid_energy_per_atom_rmse"),
        details.get("valid_forces_mae"),
        details.get("valid_forces_rmse"),
        details,
    )


def total_loss(losses: Sequence[Loss], sums: Sums) -> float:
    """Weighted sum of the means of all terms over the structures that have the label."""
    means = [total / max(count, 1.0) for total, count in sums.losses]
    return float(sum(loss.weight * mean for loss, mean in zip(losses, means, strict=True)))


def _added(parts: Sequence[Sums]) -> Sums:
    """Sum over parts and their steps, in float64."""

    def add(*leaves: Any) -> np.ndarray:
        return sum(np.sum(np.asarray(leaf, np.float64), axis=0) for leaf in leaves)  # type: ignore[return-value]

    return jax.tree.map(add, *parts)


def _details(part: str, losses: Sequence[Loss], sums: Sums) -> dict[str, float]:
    values: dict[str, float] = {}
    for loss, (total, count) in zip(losses, sums.losses, strict=True):
        if count > 0.0:
            values[f"{part}_loss_{loss.name}_{loss.kind}"] = float(total / count)
    for name, (absolute, square, count) in sorted(sums.errors.items()):
        if count > 0.0:
            values[f"{part}_{name}_mae"] = float(absolute / count)
            values[f"{part}_{name}_mse"] = float(square / count)
            values[f"{part}_{name}_rmse"] = float(np.sqrt(square / count))
    if sums.cosine[1] > 0.0:
        values[f"{part}_forces_cosine"] = float(sums.cosine[0] / sums.cosine[1])
    return values
