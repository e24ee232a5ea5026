"""Minimisers as pure functions of coordinates and forces, one evaluation per step.

An optimizer is a frozen spec of numbers. What it remembers of one system is a tuple of arrays;
the loop maps it over a batch. Coordinates are rows of three: atoms, then the cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["FIRE", "LBFGS", "OPTIMIZERS", "Optimizer", "filled", "limited"]


class Optimizer(Protocol):
    """Takes one step towards a minimum; hashable."""

    def start(self, shape: tuple[int, int, int], dtype: Any) -> Any:
        """Memory of systems before their first step.

        Parameters
        ----------
        shape : (b, rows, 3)
            Of the coordinates of a batch; all leaves have the leading axis b.
        """
        ...

    def move(self, x: jax.Array, forces: jax.Array, memory: Any) -> tuple[jax.Array, Any]:
        """The next coordinates (rows, 3) of one system, and what to remember."""
        ...


class FireMemory(NamedTuple):
    """Velocity (rows, 3), time step, mixing, and steps downhill in a row, -1 before the first."""

    velocity: jax.Array
    time: jax.Array
    mixing: jax.Array
    downhill: jax.Array


@dataclass(frozen=True)
class FIRE:
    """Fast inertial relaxation: E. Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006).

    Parameters
    ----------
    max_step_angstrom : float
        No row of coordinates moves farther in one step.
    time, max_time : float
        First and longest time step, in Angstrom sqrt(u / eV); the mass is 1 u.
    mixing : float
        How much the velocity is turned at first.
    delay : int
        Steps downhill before the time step grows.
    """

    max_step_angstrom: float = 0.2
    time: float = 0.1
    max_time: float = 1.0
    mixing: float = 0.1
    delay: int = 5

    def start(self, shape: tuple[int, int, int], dtype: Any) -> FireMemory:
        """Systems at rest."""
        b = shape[:1]
        return FireMemory(
            filled(shape, 0.0, dtype),
            filled(b, self.time, dtype),
            filled(b, self.mixing, dtype),
            filled(b, -1, np.int32),
        )

    def move(
        self, x: jax.Array, forces: jax.Array, memory: FireMemory
    ) -> tuple[jax.Array, FireMemory]:
        """Turn the velocity towards the forces and speed up, or stop if it leads uphill."""
        velocity, time, mixing, downhill = memory
        first, good = downhill < 0, jnp.sum(forces * velocity) > 0.0
        speed = _length(velocity) / jnp.maximum(_length(forces), 1e-30)
        turned = (1.0 - mixing) * velocity + mixing * speed * forces
        velocity = jnp.where(good, turned, 0.0)
        long = good & (downhill > self.delay)
        faster = jnp.minimum(1.1 * time, self.max_time)
        slower = jnp.where(good | first, time, 0.5 * time)
        time = jnp.where(long, faster, slower)
        mixing = jnp.where(long, 0.99 * mixing, jnp.where(good, mixing, self.mixing))
        downhill = jnp.where(good, downhill + 1, 0)
        velocity = velocity + time * forces
        step = limited(time * velocity, self.max_step_angstrom)
        return x + step, FireMemory(velocity, time, mixing, downhill)


class LbfgsMemory(NamedTuple):
    """What L-BFGS knows of a system.

    Attributes
    ----------
    x, forces : (rows, 3)
        Where the last step that was kept has led.
    s, y : (memory, rows, 3)
        Steps, and minus the change of forces in them; the last is the newest.
    weights : (memory,)
        1 / (s . y), 0 for an empty place.
    softness : ()
        First guess of the inverse curvature, Angstrom^2/eV.
    trust : ()
        No row moves farther in the next step, Angstrom.
    begun : () bool
    """

    x: jax.Array
    forces: jax.Array
    s: jax.Array
    y: jax.Array
    weights: jax.Array
    softness: jax.Array
    trust: jax.Array
    begun: jax.Array


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS with steps of limited length: J. Nocedal, Math. Comp. 35, 773 (1980).

    A step that leads uphill is taken back and tried again at half its length, with the curvature
    that it has taught. The rise is that of the trapezoidal rule, -(f + f') . step / 2: right to
    third order, and not lost in rounding as a difference of energies in single precision is.

    Parameters
    ----------
    max_step_angstrom : float
        No row of coordinates moves farther in one step.
    memory : int
        Number of steps that the curvature is learnt from.
    curvature_ev_per_angstrom2 : float
        Guess before the first step.
    """

    max_step_angstrom: float = 0.2
    memory: int = 20
    curvature_ev_per_angstrom2: float = 70.0

    def start(self, shape: tuple[int, int, int], dtype: Any) -> LbfgsMemory:
        """Systems of which nothing is known."""
        b, history = shape[:1], (shape[0], self.memory, *shape[1:])
        return LbfgsMemory(
            filled(shape, 0.0, dtype),
            filled(shape, 0.0, dtype),
            filled(history, 0.0, dtype),
            filled(history, 0.0, dtype),
            filled((b[0], self.memory), 0.0, dtype),
            filled(b, 1.0 / self.curvature_ev_per_angstrom2, dtype),
            filled(b, self.max_step_angstrom, dtype),
            filled(b, False, bool),
        )

    def move(
        self, x: jax.Array, forces: jax.Array, memory: LbfgsMemory
    ) -> tuple[jax.Array, LbfgsMemory]:
        """Learn from the last step, keep it or take it back, and propose the next."""
        step = x - memory.x
        kept = ~memory.begun | (jnp.sum((forces + memory.forces) * step) >= 0.0)
        shorter = 0.5 * _longest(step)
        longer = jnp.minimum(2.0 * memory.trust, self.max_step_angstrom)
        learnt = _learn(memory, step, memory.forces - forces)
        known = learnt._replace(
            x=jnp.where(kept, x, memory.x),
            forces=jnp.where(kept, forces, memory.forces),
            trust=jnp.where(kept, longer, shorter),
            begun=jnp.ones_like(memory.begun),
        )
        return known.x + limited(_newton_step(known), known.trust), known


def _learn(memory: LbfgsMemory, s: jax.Array, y: jax.Array) -> LbfgsMemory:
    """Add a step to the history, unless it shows no curvature or a negative one."""
    product, square = jnp.sum(s * y), jnp.sum(y * y)
    useful = memory.begun & (product > 1e-3 * jnp.sqrt(jnp.sum(s * s) * square))
    safe = jnp.where(useful, product, 1.0)

    def append(rows: jax.Array, row: jax.Array) -> jax.Array:
        return jnp.where(useful, jnp.concatenate([rows[1:], row[None]]), rows)

    return memory._replace(
        s=append(memory.s, s),
        y=append(memory.y, y),
        weights=append(memory.weights, 1.0 / safe),
        softness=jnp.where(useful, safe / jnp.where(useful, square, 1.0), memory.softness),
    )


def _newton_step(known: LbfgsMemory) -> jax.Array:
    """The inverse Hessian, as the history knows it, times the forces."""
    history = (known.s, known.y, known.weights)

    def backward(q: jax.Array, row: Any) -> tuple[jax.Array, jax.Array]:
        s, y, weight = row
        alpha = weight * jnp.sum(s * q)
        return q - alpha * y, alpha

    def forward(q: jax.Array, row: Any) -> tuple[jax.Array, None]:
        (s, y, weight), alpha = row
        return q + (alpha - weight * jnp.sum(y * q)) * s, None

    q, alphas = jax.lax.scan(backward, jnp.asarray(known.forces), history, reverse=True)
    return jax.lax.scan(forward, q * known.softness, (history, alphas))[0]


def filled(shape: tuple[int, ...], value: float, dtype: Any) -> Any:
    """A NumPy array of one value, which stands for one on the device until a program takes it."""
    return np.full(shape, value, dtype)


def limited(step: jax.Array, longest: jax.Array | float) -> jax.Array:
    """Shorten a step so that no row of it is longer than ``longest``."""
    return step * jnp.minimum(1.0, longest / jnp.maximum(_longest(step), 1e-30))


def _longest(rows: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.max(jnp.sum(rows**2, axis=-1)))


def _length(rows: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.sum(rows**2))


OPTIMIZERS: Final[dict[str, Optimizer]] = {"LBFGS": LBFGS(), "FIRE": FIRE()}
