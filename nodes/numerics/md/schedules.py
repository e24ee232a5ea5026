"""Temperatures and pressures that change during a run.

A schedule is a frozen spec. Its values are in the unit of what is scheduled: K or GPa.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["Constant", "Linear", "OscillatingRamp", "Piecewise", "Schedule"]


@runtime_checkable
class Schedule(Protocol):
    """A value for each step."""

    def at(self, step: jax.Array, timestep_fs: jax.Array | float) -> jax.Array:
        """Value at a step; it may be called while a program is traced."""
        ...

    @property
    def lowest(self) -> float:
        """A bound from below on all values, so that a temperature can be refused in time."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same value at all steps.

    Parameters
    ----------
    value : float or (3, 3) of float
        A matrix is a pressure tensor.
    """

    value: Any

    def __post_init__(self) -> None:
        values = np.asarray(self.value, np.float64)
        if values.shape not in ((), (3, 3)) or not np.isfinite(values).all():
            raise ValueError(
                f"value must be a number or a matrix of 3 x 3 numbers, received {self.value}"
            )
        if values.shape and not np.allclose(values, values.T):
            raise ValueError(f"value must be symmetric, received {self.value}")
        entries = tuple(tuple(map(float, row)) for row in values) if values.shape else float(values)
        object.__setattr__(self, "value", entries)

    def at(self, step: jax.Array, timestep_fs: jax.Array | float) -> jax.Array:
        return jnp.asarray(self.value)

    @property
    def lowest(self) -> float:
        return float(np.min(self.value))


@dataclass(frozen=True)
class Linear:
    """From one value to another at a constant rate, and the latter from then on.

    Parameters
    ----------
    start, end : float
    duration_fs : float
    """

    start: float
    end: float
    duration_fs: float

    def __post_init__(self) -> None:
        _check_finite(self, "start", "end")
        _check_durations(self.duration_fs)

    def at(self, step: jax.Array, timestep_fs: jax.Array | float) -> jax.Array:
        share = jnp.minimum(step * timestep_fs / self.duration_fs, 1.0)
        return self.start * (1.0 - share) + self.end * share

    @property
    def lowest(self) -> float:
        return min(self.start, self.end)


@dataclass(frozen=True)
class Piecewise:
    """One ramp after the other, and the last value from then on.

    Parameters
    ----------
    start : float
    values : sequence of float
        Reached at the end of each ramp; a value twice in a row is a plateau.
    durations_fs : sequence of float
        Of the ramps.
    """

    start: float
    values: tuple[float, ...]
    durations_fs: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(map(float, self.values)))
        object.__setattr__(self, "durations_fs", tuple(map(float, self.durations_fs)))
        _check_finite(self, "start", "values")
        if not self.values or len(self.values) != len(self.durations_fs):
            raise ValueError(
                "values and durations_fs must be equally many, at least one, received "
                f"{len(self.values)} and {len(self.durations_fs)}"
            )
        _check_durations(*self.durations_fs)

    def at(self, step: jax.Array, timestep_fs: jax.Array | float) -> jax.Array:
        times = jnp.cumsum(jnp.stack([jnp.zeros(()), *map(jnp.asarray, self.durations_fs)]))
        values = jnp.stack([jnp.asarray(value) for value in (self.start, *self.values)])
        return jnp.interp(step * timestep_fs, times, values)

    @property
    def lowest(self) -> float:
        return min(self.start, *self.values)


@dataclass(frozen=True)
class OscillatingRamp:
    """A ramp with a sine on top, and the end value from then on.

    Parameters
    ----------
    start, end : float
    amplitude : float
    n_oscillations : float
        Whole periods during the ramp.
    duration_fs : float
    """

    start: float
    end: float
    amplitude: float
    n_oscillations: float
    duration_fs: float

    def __post_init__(self) -> None:
        _check_finite(self, "start", "end", "amplitude", "n_oscillations")
        _check_durations(self.duration_fs)

    def at(self, step: jax.Array, timestep_fs: jax.Array | float) -> jax.Array:
        share = jnp.minimum(step * timestep_fs / self.duration_fs, 1.0)
        ramp = self.start * (1.0 - share) + self.end * share
        wave = self.amplitude * jnp.sin(2.0 * math.pi * self.n_oscillations * share)
        return jnp.where(share < 1.0, ramp + wave, self.end)

    @property
    def lowest(self) -> float:
        """The least value on a fine grid of times; between two of them it is hardly less."""
        share = np.linspace(0.0, 1.0, 1 + 200 * math.ceil(1.0 + abs(self.n_oscillations)))
        wave = self.amplitude * np.sin(2.0 * math.pi * self.n_oscillations * share)
        return float(np.min(self.start * (1.0 - share) + self.end * share + wave))


def _check_finite(spec: Schedule, *names: str) -> None:
    for name in names:
        if not np.isfinite(getattr(spec, name)).all():
            raise ValueError(f"{name} must be finite, received {getattr(spec, name)}")


def _check_durations(*durations_fs: float) -> None:
    for duration in durations_fs:
        if not 0.0 < duration < math.inf:
            raise ValueError(f"durations must be positive numbers of fs, received {duration}")
