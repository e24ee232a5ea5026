"""How learning rates change during a fit: plain functions of the step, computed on the host.

A schedule is a frozen dataclass. ``rates`` turns the peak rate of a parameter group into the
rates of some steps; ``factor`` is what the validation losses so far multiply them by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

__all__ = [
    "Constant", "CyclicCosine", "Length", "Linear", "Plateau", "Schedule", "WarmupCosine",
]  # fmt: skip


class Length(NamedTuple):
    """How long a fit is: steps in all and steps per epoch."""

    n_steps: int
    steps_per_epoch: int


@dataclass(frozen=True)
class Schedule:
    """Base of all schedules."""

    name: ClassVar[str]

    def rates(self, peak: float, steps: np.ndarray, length: Length) -> np.ndarray:
        """Learning rates of the steps (counted from 0) of a group with this peak."""
        raise NotImplementedError

    def factor(self, losses: Sequence[float]) -> float:
        """Factor on all rates after epochs with these validation losses."""
        return 1.0


@dataclass(frozen=True)
class Constant(Schedule):
    """The peak rate throughout."""

    name: ClassVar[str] = "constant"

    def rates(self, peak: float, steps: np.ndarray, length: Length) -> np.ndarray:
        """See `Schedule`."""
        return np.full(len(steps), peak)


@dataclass(frozen=True)
class Linear(Schedule):
    """From the peak to ``end_value`` in a straight line over as many steps as the fit has.

    Parameters
    ----------
    transition_begin : int
        Steps at the peak rate before that.
    end_value : float
        Rate at the end, the same for all parameter groups.
    """

    transition_begin: int = 0
    end_value: float = 1e-6
    name: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        _require("transition_begin", self.transition_begin, 0.0)
        _require("end_value", self.end_value, 0.0)

    def rates(self, peak: float, steps: np.ndarray, length: Length) -> np.ndarray:
        """See `Schedule`."""
        passed = np.clip((steps - self.transition_begin) / length.n_steps, 0.0, 1.0)
        return peak + (self.end_value - peak) * passed


@dataclass(frozen=True)
class CyclicCosine(Schedule):
    """Half a cosine from the peak to zero, again and again, each time from a lower peak.

    Parameters
    ----------
    period : int
        Epochs of one cycle.
    decay_factor : float
        Factor on the peak from one cycle to the next.
    """

    period: int = 40
    decay_factor: float = 0.93
    name: ClassVar[str] = "cyclic_cosine"

    def __post_init__(self) -> None:
        _require("period", self.period, 1)
        _require("decay_factor", self.decay_factor, 0.0)

    def rates(self, peak: float, steps: np.ndarray, length: Length) -> np.ndarray:
        """See `Schedule`."""
        cycle, within = np.divmod(steps / (self.period * length.steps_per_epoch), 1.0)
        return peak * self.decay_factor**cycle * 0.5 * (1.0 + np.cos(np.pi * within))


@dataclass(frozen=True)
class WarmupCosine(Schedule):
    """A straight line up to the peak, then half a cosine down.

    Parameters
    ----------
    warm_up : float
        Share of all steps that the way up takes.
    end_factor : float
        Rate at the end as a share of the peak.
    """

    warm_up: float = 0.02
    end_factor: float = 0.0
    name: ClassVar[str] = "warmup_cosine"

    def __post_init__(self) -> None:
        if not 0.0 <= self.warm_up < 1.0:
            raise ValueError(f"warm_up must be at least 0 and less than 1, received {self.warm_up}")
        if not 0.0 <= self.end_factor <= 1.0:
            raise ValueError(f"end_factor must be between 0 and 1, received {self.end_factor}")

    def rates(self, peak: float, steps: np.ndarray, length: Length) -> np.ndarray:
        """See `Schedule`."""
        up = max(int(self.warm_up * length.n_steps), 1)
        passed = np.clip((steps + 1 - up) / max(length.n_steps - up, 1), 0.0, 1.0)
        down = 0.5 * (1.0 + np.cos(np.pi * passed))
        down = self.end_factor + (1.0 - self.end_factor) * down
        return peak * np.minimum((steps + 1) / up, down)


@dataclass(frozen=True)
class Plateau(Schedule):
    """The peak rate, lowered whenever the validation loss has stopped to fall.

    Parameters
    ----------
    patience : int
        Epochs without a lower loss before the rate is lowered; then the count starts anew.
    decay_factor : float
        Factor on all rates each time.
    min_delta : float
        A loss counts as lower if it is lower by more than this.
    min_factor : float
        The factors together never fall below this.
    """

    patience: int = 10
    decay_factor: float = 0.5
    min_delta: float = 0.0
    min_factor: float = 1e-4
    name: ClassVar[str] = "plateau"

    def __post_init__(self) -> None:
        _require("patience", self.patience, 1)
        _require("min_delta", self.min_delta, 0.0)
        for name in ("decay_factor", "min_factor"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(
                    f"{name} must be more than 0 and at most 1, received {getattr(self, name)}"
                )

    def rates(self, peak: float, steps: np.ndarray, length: Length) -> np.ndarray:
        """See `Schedule`."""
        return np.full(len(steps), peak)

    def factor(self, losses: Sequence[float]) -> float:
        """See `Schedule`; it follows from the losses alone, so a resumed fit finds the same."""
        lowest, waited, factor = np.inf, 0, 1.0
        for loss in losses:
            improved = loss < lowest - self.min_delta
            lowest, waited = (loss, 0) if improved else (lowest, waited + 1)
            if waited == self.patience:
                factor, waited = max(factor * self.decay_factor, self.min_factor), 0
        return factor


def _require(name: str, value: float, smallest: float) -> None:
    if value < smallest:
        raise ValueError(f"{name} must be at least {smallest}, received {value}")
