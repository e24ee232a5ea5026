"""What may not move, and how many momenta that leaves free.

Constraints are specs that can be combined. On the host, `freedom_of` turns them into the arrays
that a run needs; in the loop, `project` holds the centre of mass where one is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.md.moving.records import Integrator, Moving

__all__ = [
    "Constraint", "FixAtoms", "FixCenterOfMass", "FixLayer", "Freedom", "freedom_of", "project",
    "without_drift",
]  # fmt: skip

Center = Literal["initial", "origin"] | tuple[float, float, float]


class Freedom(NamedTuple):
    """What constraints leave free; arrays, of one system.

    Attributes
    ----------
    mobile : (n, 3) float
        1 for components that are free to move, else 0.
    dof : int
        Degrees of freedom: twice the mean kinetic energy is ``dof * k T``.
    center : (3,) float, Angstrom
        Where the centre of mass of the mobile atoms is held; NaN if it is not.
    momentum_free : bool
        Whether the total momentum is zero all along, and must be so at the start.
    """

    mobile: Any
    dof: Any
    center: Any
    momentum_free: Any


@runtime_checkable
class Constraint(Protocol):
    """Something that may not move."""

    def fixed(self, positions: np.ndarray) -> np.ndarray:
        """Which atoms (n,) are fixed, by their initial positions (n, 3)."""
        ...

    def held_center(self, positions: np.ndarray, masses: np.ndarray) -> np.ndarray | None:
        """Where (3,) the centre of mass is held, if it is."""
        ...


@dataclass(frozen=True)
class FixAtoms:
    """Atoms that do not move.

    Parameters
    ----------
    indices : sequence of int
        Negative ones count from the end.
    """

    indices: tuple[int, ...]

    def __post_init__(self) -> None:
        indices = tuple(self.indices)
        wrong = [i for i in indices if isinstance(i, bool) or not isinstance(i, int | np.integer)]
        if wrong or not indices:
            raise ValueError(
                f"indices must be whole numbers of atoms, at least one, received {indices}"
            )
        object.__setattr__(self, "indices", tuple(int(i) for i in indices))

    def fixed(self, positions: np.ndarray) -> np.ndarray:
        n = len(positions)
        beyond = [i for i in self.indices if not -n <= i < n]
        if beyond:
            raise ValueError(f"indices must lie below the {n} atoms there are, received {beyond}")
        chosen = np.zeros(n, bool)
        chosen[list(self.indices)] = True
        return chosen

    def held_center(self, positions: np.ndarray, masses: np.ndarray) -> np.ndarray | None:
        return None


@dataclass(frozen=True)
class FixLayer:
    """Atoms that do not move because of their initial height.

    Parameters
    ----------
    lower, upper : float, Angstrom
        Atoms whose z lies between, or on one of these, are fixed.
    """

    lower: float
    upper: float

    def __post_init__(self) -> None:
        if not self.lower <= self.upper:
            raise ValueError(
                f"lower must not exceed upper, received lower={self.lower}, upper={self.upper}"
            )

    def fixed(self, positions: np.ndarray) -> np.ndarray:
        heights = np.asarray(positions, np.float64)[:, 2]
        chosen = (heights >= self.lower) & (heights <= self.upper)
        if not chosen.any():
            raise ValueError(
                f"lower and upper must enclose at least one atom, received {self.lower} to "
                f"{self.upper} for heights of {heights.min():.4g} to {heights.max():.4g}"
            )
        return chosen

    def held_center(self, positions: np.ndarray, masses: np.ndarray) -> np.ndarray | None:
        return None


@dataclass(frozen=True)
class FixCenterOfMass:
    """A centre of mass that stays where it is; the system is moved there at the start.

    Parameters
    ----------
    position : 'initial', 'origin' or (x, y, z), Angstrom
    """

    position: Center = "initial"

    def __post_init__(self) -> None:
        position = self.position
        if position in ("initial", "origin"):
            return
        values = np.asarray([] if isinstance(position, str) else position)
        if values.shape != (3,) or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise ValueError(
                f"position must be 'initial', 'origin' or three numbers, received {position!r}"
            )
        x, y, z = (float(value) for value in values)
        object.__setattr__(self, "position", (x, y, z))

    def fixed(self, positions: np.ndarray) -> np.ndarray:
        return np.zeros(len(positions), bool)

    def held_center(self, positions: np.ndarray, masses: np.ndarray) -> np.ndarray | None:
        if self.position == "initial":
            return np.asarray(masses) @ np.asarray(positions) / np.sum(masses)
        return np.zeros(3) if self.position == "origin" else np.asarray(self.position)


def freedom_of(
    constraints: Sequence[Constraint],
    positions: np.ndarray,
    masses: np.ndarray,
    integrator: Integrator,
    *,
    isolated: bool = True,
) -> Freedom:
    """Combine constraints.

    Three degrees of freedom are lost where the centre of mass is held, and where the integrator
    conserves momentum and neither a fixed atom nor anything outside exchanges it.

    Parameters
    ----------
    constraints : sequence of Constraint
    positions : (n, 3), Angstrom
        At the start of the whole run.
    masses : (n,), u
    integrator : Integrator
    isolated : bool
        False if something outside acts on the system, as a wall does.

    Raises
    ------
    ValueError
        If nothing is left free, centres of mass disagree, fixed atoms keep the centre of mass
        from where it shall be, or the integrator changes the cell and atoms are fixed.
    """
    positions, masses = np.asarray(positions, np.float64), np.asarray(masses, np.float64)
    fixed = np.zeros(len(positions), bool)
    for constraint in constraints:
        fixed |= constraint.fixed(positions)
    name = type(integrator).__name__
    if integrator.changes_cell and fixed.any():
        raise ValueError(
            f"fixed atoms must not be combined with a changing cell, received {name} and "
            f"{fixed.sum()} fixed atoms; keep the cell, or hold the centre of mass only"
        )
    centers = [c.held_center(positions, masses) for c in constraints]
    held = [center for center in centers if center is not None]
    if any(not np.allclose(center, held[0], atol=1e-6) for center in held):
        raise ValueError(f"the centre of mass must be held at one place, received {held}")
    mobile = np.repeat(~fixed[:, None], 3, axis=1).astype(np.float64)
    dof = int(mobile.sum())
    if dof == 0:
        raise ValueError("constraints must leave an atom free, received constraints that fix all")
    center = held[0] if held else np.full(3, np.nan)
    if held and fixed.any():
        present = masses @ positions / masses.sum()
        if not np.allclose(center, present, atol=1e-6):
            raise ValueError(
                "position must be 'initial' where atoms are fixed, received a centre of mass at "
                f"{center.tolist()} for one at {present.tolist()}"
            )
        # While the others stand still, this is the same.
        center = masses[~fixed] @ positions[~fixed] / masses[~fixed].sum()
    momentum_free = bool(held) or (
        integrator.conserves_momentum and isolated and not bool(fixed.any())
    )
    if momentum_free:
        # A single free atom keeps still; one degree makes its temperature, zero, defined.
        dof = max(dof - 3, 1)
    return Freedom(mobile, dof, center, momentum_free)


def project(freedom: Freedom, masses: jax.Array, moving: Moving) -> Moving:
    """Put the centre of mass to where it is held, at rest; nothing changes if it is not held.

    To be used on what `Integrator.before` and `Integrator.after` give, and on the start. Only
    mobile atoms are moved; masses have shape (n, 1). Atoms that fill up a batch are not mobile.
    """
    held = jnp.all(jnp.isfinite(freedom.center))
    weights = masses * freedom.mobile
    shares = weights / jnp.sum(weights, axis=0)
    excess = jnp.sum(shares * (moving.positions - freedom.center), axis=0)
    drift = jnp.sum(shares * moving.velocities, axis=0)
    positions = moving.positions - freedom.mobile * excess
    velocities = moving.velocities - freedom.mobile * drift
    return moving._replace(
        positions=jnp.where(held, positions, moving.positions),
        velocities=jnp.where(held, velocities, moving.velocities),
    )


def without_drift(freedom: Freedom, masses: np.ndarray, velocities: np.ndarray) -> np.ndarray:
    """Velocities (n, 3) that the constraints allow; masses (n,), on the host.

    Fixed atoms are at rest, and so is the centre of mass where total momentum is zero.
    """
    velocities = np.asarray(velocities) * freedom.mobile
    if not freedom.momentum_free:
        return velocities
    weights = np.asarray(masses)[:, None] * freedom.mobile
    drift = np.sum(weights * velocities, axis=0) / np.sum(weights, axis=0)
    return velocities - freedom.mobile * drift
