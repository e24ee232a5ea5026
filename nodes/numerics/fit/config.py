"""FitConfig: how to train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["FitConfig", "LossName"]

LossName = Literal["mse", "huber", "crps", "nll"]


@dataclass(frozen=True)
class FitConfig:
    """How to train a model.

    The loss is ``energy_weight * mean over structures of loss(energy per atom)`` plus
    ``forces_weight * mean over force components of forces_loss(component)``. Padding never
    counts, nor does a label that a structure lacks.

    Parameters
    ----------
    n_epochs, batch_size : int
    learning_rate : float
        Peak of a cosine schedule that starts with a warm-up of 2 % of all steps.
    radial_learning_rate, scale_shift_learning_rate : float, optional
        For the radial coefficients, and for the scale and shift of each element; by default
        ``learning_rate``.
    energy_weight, forces_weight : float
    loss : {'crps', 'nll', 'mse', 'huber'}
        For energies in eV/atom. The first two score mean and spread of the ensemble.
    forces_loss : {'huber', 'mse', 'crps', 'nll'}
        For force components in eV/Angstrom. The last two need the forces of each member, which
        costs about ``n_members`` times as much.
    huber_delta : float
        Where 'huber' turns from quadratic to linear, eV/atom and eV/Angstrom.
    ema : float
        Decay per step of the moving average of the weights, 0 for none. The average is what is
        validated and what is returned.
    patience : int, optional
        Stop after so many epochs without a lower validation loss.
    max_gradient_norm : float
        Longer gradients are shortened to this length.
    seed : int
        For the initial weights and the order of structures.
    checkpoint_interval : int
        Epochs between checkpoints.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    n_epochs: int = 200
    batch_size: int = 8
    learning_rate: float = 3e-3
    radial_learning_rate: float | None = None
    scale_shift_learning_rate: float | None = None
    energy_weight: float = 1.0
    forces_weight: float = 1.0
    loss: LossName = "crps"
    forces_loss: LossName = "huber"
    huber_delta: float = 0.1
    ema: float = 0.99
    patience: int | None = None
    max_gradient_norm: float = 10.0
    seed: int = 0
    checkpoint_interval: int = 10

    def __post_init__(self) -> None:
        for name in ("n_epochs", "batch_size", "checkpoint_interval"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, received {getattr(self, name)}")
        for name in ("learning_rate", "huber_delta", "max_gradient_norm"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, received {getattr(self, name)}")
        for name in ("loss", "forces_loss"):
            if getattr(self, name) not in ("mse", "huber", "crps", "nll"):
                raise ValueError(
                    f"{name} must be 'mse', 'huber', 'crps' or 'nll', received "
                    f"{getattr(self, name)!r}"
                )
        if not 0.0 <= self.ema < 1.0:
            raise ValueError(f"ema must be at least 0 and less than 1, received {self.ema}")
        if min(self.energy_weight, self.forces_weight) < 0.0:
            raise ValueError(
                f"weights must not be negative, received energy_weight={self.energy_weight}, "
                f"forces_weight={self.forces_weight}"
            )

    @property
    def needs_members(self) -> bool:
        """Whether the loss looks at the forces of each member."""
        return self.forces_loss in ("crps", "nll") and self.forces_weight > 0.0
