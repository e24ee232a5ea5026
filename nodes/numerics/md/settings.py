"""MDSettings: what to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Ensemble", "MDSettings"]

Ensemble = Literal["nve", "nvt"]


@dataclass(frozen=True)
class MDSettings:
    """What to run.

    Parameters
    ----------
    ensemble : {'nvt', 'nve'}
        Langevin dynamics or velocity Verlet.
    timestep_fs : float
    temperature_k : float
        Of the thermostat and of initial velocities.
    friction_per_ps : float
        Of the thermostat.
    n_steps : int
        A multiple of ``sample_every``.
    sample_every : int
        Steps between frames; the first frame is step 0, the last is step ``n_steps``.
    check_every : int, optional
        Steps between evaluations of the force uncertainty, a divisor of ``sample_every``; by
        default ``sample_every``.
    max_force_std_ev_per_angstrom : float, optional
        Stop at the first checked step at which the uncertainty of some atom's force exceeds
        this. That step is kept as the last frame.
    skin_angstrom : float
        Margin of the neighbour list.
    frames_per_block : int
        Frames held on the device between two transfers to the host.
    seed : int
        For initial velocities and thermostat.

    Raises
    ------
    ValueError
        If a value is out of range or steps do not divide each other.
    """

    ensemble: Ensemble = "nvt"
    timestep_fs: float = 0.5
    temperature_k: float = 300.0
    friction_per_ps: float = 10.0
    n_steps: int = 1000
    sample_every: int = 10
    check_every: int | None = None
    max_force_std_ev_per_angstrom: float | None = None
    skin_angstrom: float = 0.5
    frames_per_block: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if self.ensemble not in ("nve", "nvt"):
            raise ValueError(f"ensemble must be 'nve' or 'nvt', received {self.ensemble!r}")
        for name in ("timestep_fs", "skin_angstrom"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, received {getattr(self, name)}")
        for name in ("temperature_k", "friction_per_ps"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must not be negative, received {getattr(self, name)}")
        for name in ("sample_every", "frames_per_block"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, received {getattr(self, name)}")
        if self.n_steps < 0 or self.n_steps % self.sample_every:
            raise ValueError(
                f"n_steps must be a multiple of sample_every={self.sample_every}, "
                f"received {self.n_steps}"
            )
        if self.steps_per_check < 1 or self.sample_every % self.steps_per_check:
            raise ValueError(
                f"check_every must divide sample_every={self.sample_every}, "
                f"received {self.check_every}"
            )
        limit = self.max_force_std_ev_per_angstrom
        if limit is not None and not limit > 0.0:
            raise ValueError(
                f"max_force_std_ev_per_angstrom must be positive, received {limit}; "
                f"None for no limit"
            )

    @property
    def steps_per_check(self) -> int:
        """``check_every`` with its default filled in."""
        return self.sample_every if self.check_every is None else self.check_every
