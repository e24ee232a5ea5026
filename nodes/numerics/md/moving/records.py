"""What an integrator is given and what it changes.

Integrators are written for one system; replicas are a `jax.vmap` over all of it. Units are eV,
Angstrom, u and the unit of time that follows (`units.FS`). Pressures are in eV/Angstrom^3.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

__all__ = ["Conditions", "Integrator", "Moving", "kinetic_energy", "require_positive"]


class Moving(NamedTuple):
    """A system on its way.

    Attributes
    ----------
    positions : (n, 3), Angstrom
        Never wrapped into the cell.
    velocities : (n, 3), Angstrom per unit of time
    forces : (n, 3), eV/Angstrom
    virial : (3, 3), eV
        Derivative of the potential energy by a strain of positions and cell.
    cell : (3, 3), Angstrom
        Lattice vectors as rows.
    extra : pytree of arrays
        What the integrator remembers, from its `init`.
    """

    positions: jax.Array
    velocities: jax.Array
    forces: jax.Array
    virial: jax.Array
    cell: jax.Array
    extra: Any


class Conditions(NamedTuple):
    """What one step is made under; all floats have the precision of the positions.

    Attributes
    ----------
    timestep : ()
    thermal_energy : (), eV
        Boltzmann constant times the temperature of this step.
    pressure : () or (3, 3), eV/Angstrom^3
        That of this step; a matrix is the tensor that the internal pressure shall have.
    masses : (n, 1), u
    mobile : (n, 3)
        1 for components that are free to move, else 0; those must have zero velocity.
    dof : ()
        Number of momenta that are free, see `constraints`.
    key : JAX key
        Of the run.
    step : () int
        Noise depends on key and step alone, so a repeated step is the same step.
    """

    timestep: jax.Array
    thermal_energy: jax.Array
    pressure: jax.Array
    masses: jax.Array
    mobile: jax.Array
    dof: jax.Array
    key: jax.Array
    step: jax.Array


@runtime_checkable
class Integrator(Protocol):
    """One step of dynamics, split around the evaluation of forces.

    Attributes
    ----------
    changes_cell : bool
        Whether it keeps a pressure.
    conserves_momentum : bool
        Whether the total momentum stays zero while nothing outside acts on the system.
    needs_warmth : bool
        Whether a temperature of zero is meaningless to it.
    """

    name: ClassVar[str]
    changes_cell: ClassVar[bool]
    conserves_momentum: ClassVar[bool]
    needs_warmth: ClassVar[bool]

    def init(self, moving: Moving, conditions: Conditions) -> Any:
        """What `Moving.extra` begins with; what it is before does not matter."""
        ...

    def before(self, moving: Moving, conditions: Conditions) -> Moving:
        """All that comes before new forces: new positions and cell, old forces and virial."""
        ...

    def after(self, moving: Moving, conditions: Conditions) -> Moving:
        """Complete the step with new forces and virial, under the same conditions."""
        ...

    def conserved(
        self, moving: Moving, potential_energy: jax.Array, conditions: Conditions
    ) -> jax.Array:
        """A quantity (eV) that exact equations of motion would keep, between steps.

        Where a thermostat or barostat adds noise, it is the energy less all that these have
        given; its drift measures the error of the time step.
        """
        ...


def kinetic_energy(velocities: jax.Array, masses: jax.Array) -> jax.Array:
    """Kinetic energy, eV."""
    return 0.5 * jnp.sum(masses * velocities**2)


def require_positive(spec: object, *names: str) -> None:
    """Raise ValueError unless the fields of these names are positive and finite."""
    for name in names:
        value = getattr(spec, name)
        if not 0.0 < value < float("inf"):
            raise ValueError(f"{name} of {type(spec).__name__} must be positive, received {value}")
