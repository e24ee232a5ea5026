"""MDSettings: what to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nodes.numerics.md.checks import Check, MaxForceStd
from nodes.numerics.md.moving import Langevin, VelocityVerlet
from nodes.numerics.md.schedules import Constant
from nodes.numerics.md.state import Rules

if TYPE_CHECKING:
    from nodes.numerics.biases import Bias
    from nodes.numerics.md.constraints import Constraint
    from nodes.numerics.md.moving import Integrator
    from nodes.numerics.md.schedules import Schedule

__all__ = ["Ensemble", "MDSettings"]

Ensemble = Literal["nve", "nvt"]


@dataclass(frozen=True)
class MDSettings:
    """What to run.

    Parameters
    ----------
    ensemble : {'nvt', 'nve'}
        Langevin dynamics or velocity Verlet, if there is no ``integrator``.
    integrator : Integrator, optional
        How atoms move, see `moving`.
    timestep_fs : float
    temperature_k : float or Schedule
        Of the thermostat; its value at step 0 is that of initial velocities.
    pressure_gpa : float or Schedule, optional
        For an integrator that changes the cell.
    friction_per_ps : float
        Of the thermostat of 'nvt'.
    n_steps : int
        A multiple of ``sample_every``.
    sample_every : int
        Steps between frames; the first frame is step 0, the last is step ``n_steps``.
    check_every : int, optional
        Steps between evaluations of the checks, a divisor of ``sample_every``; by default
        ``sample_every``.
    checks : tuple of Check
        When to stop, see `checks`. The step that made a run stop is kept as the last frame.
    max_force_std_ev_per_angstrom : float, optional
        Short for one more check, ``MaxForceStd``.
    keep_before : int
        Also keep so many checked steps before the one that a run stopped at, whether they were due
        as frames or not.
    force_std : bool
        Whether frames of an ensemble get the uncertainty of forces, which takes one more
        evaluation per frame; without it (and without a check that needs it) they cost nothing.
    constraints : tuple of Constraint
        What may not move, see `constraints`; the same for all replicas.
    biases : tuple of Bias
        What is added to the potential, see `biases`. Energies and forces of frames, and energies
        that checks see, are with biases.
    wrap : bool
        Whether frames are wrapped into the cell; the run itself never is.
    skin_angstrom : float
        Margin of the neighbour list.
    frames_per_block : int
        Frames held on the device between two transfers to the host.
    seed : int
        For initial velocities and thermostat.

    Raises
    ------
    ValueError
        If a value is out of range, steps do not divide each other, or pressure and integrator do
        not fit together.
    """

    ensemble: Ensemble = "nvt"
    integrator: Integrator | None = None
    timestep_fs: float = 0.5
    temperature_k: float | Schedule = 300.0
    pressure_gpa: float | Schedule | None = None
    friction_per_ps: float = 10.0
    n_steps: int = 1000
    sample_every: int = 10
    check_every: int | None = None
    checks: tuple[Check, ...] = ()
    max_force_std_ev_per_angstrom: float | None = None
    keep_before: int = 0
    force_std: bool = True
    constraints: tuple[Constraint, ...] = ()
    biases: tuple[Bias, ...] = ()
    wrap: bool = False
    skin_angstrom: float = 0.5
    frames_per_block: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "checks", tuple(self.checks))
        object.__setattr__(self, "constraints", tuple(self.constraints))
        object.__setattr__(self, "biases", tuple(self.biases))
        if self.ensemble not in ("nve", "nvt"):
            raise ValueError(
                f"ensemble must be 'nve' or 'nvt', received {self.ensemble!r}; "
                "give an integrator for anything else"
            )
        self._check_numbers()
        self._check_steps()
        self._check_rules()

    def _check_rules(self) -> None:
        for check in self.checks:
            if not isinstance(check, Check):
                raise ValueError(f"checks must be specs of md.checks, received {check!r}")
        integrator, temperature, pressure, *_ = self.rules()
        name = type(integrator).__name__
        if (pressure is not None) != integrator.changes_cell:
            needed = "be given" if integrator.changes_cell else "be None"
            raise ValueError(f"pressure_gpa must {needed} for {name}, received {self.pressure_gpa}")
        if temperature.lowest < 0.0 or (integrator.needs_warmth and temperature.lowest == 0.0):
            needed = "be positive" if integrator.needs_warmth else "not be negative"
            raise ValueError(
                f"temperature_k must {needed} for {name}, received {self.temperature_k}"
            )

    def _check_numbers(self) -> None:
        for name in ("timestep_fs", "skin_angstrom"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, received {getattr(self, name)}")
        if not self.friction_per_ps >= 0.0:
            raise ValueError(
                f"friction_per_ps must not be negative, received {self.friction_per_ps}"
            )
        limit = self.max_force_std_ev_per_angstrom
        if limit is not None and not limit > 0.0:
            raise ValueError(
                f"max_force_std_ev_per_angstrom must be positive, received {limit}; "
                f"None for no limit"
            )

    def _check_steps(self) -> None:
        for name in ("sample_every", "frames_per_block"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, received {getattr(self, name)}")
        if self.keep_before < 0:
            raise ValueError(f"keep_before must not be negative, received {self.keep_before}")
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

    @property
    def steps_per_check(self) -> int:
        """``check_every`` with its default filled in."""
        return self.sample_every if self.check_every is None else self.check_every

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """``checks`` and the one that a limit on the uncertainty stands for."""
        limit = self.max_force_std_ev_per_angstrom
        return self.checks if limit is None else (*self.checks, MaxForceStd(float(limit)))

    @property
    def start_temperature_k(self) -> float:
        """The temperature of step 0."""
        return float(self.rules().temperature.at(0, self.timestep_fs))

    def rules(self) -> Rules:
        """The specs that a compiled loop follows."""
        integrator = self.integrator
        if integrator is None:
            verlet = self.ensemble == "nve"
            integrator = VelocityVerlet() if verlet else Langevin(float(self.friction_per_ps))
        pressure = self.pressure_gpa
        return Rules(
            integrator,
            _schedule(self.temperature_k),
            None if pressure is None else _schedule(pressure),
            self.all_checks,
            self.biases,
        )


def _schedule(value: Any) -> Any:
    return Constant(float(value)) if isinstance(value, int | float) else value
