"""What a compiled relaxation holds, as trees of arrays with a leading axis of b slots."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import jax

from nodes.numerics.neighbors.device import DeviceList, ListSpec
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.relax.optimizers import Optimizer
from nodes.numerics.relax.strain import Freedom

__all__ = ["Block", "Problem", "Program", "Reached", "RelaxState", "Status", "Targets"]


class Status(IntEnum):
    """Where a slot stands."""

    MOVING = 0
    CONVERGED = 1
    EXHAUSTED = 2
    NOT_FINITE = 3
    RUNAWAY = 4
    EMPTY = 5

    @property
    def text(self) -> str:
        """In words."""
        return {1: "converged", 2: "not converged", 3: "not finite", 4: "runaway"}[self]


class Program(NamedTuple):
    """What is fixed at compile time."""

    model: EnergyModel
    spec: ListSpec
    optimizer: Optimizer
    changes_cell: bool


class Targets(NamedTuple):
    """Numbers that all structures share.

    Attributes
    ----------
    force : eV/Angstrom
    stress, pressure : eV/Angstrom^3
    freedom : Freedom
        Of cells.
    max_steps, block_steps : int
    """

    force: jax.Array
    stress: jax.Array
    pressure: jax.Array
    freedom: Freedom
    max_steps: jax.Array
    block_steps: jax.Array


class Problem(NamedTuple):
    """Structures in the slots.

    Attributes
    ----------
    params
        Of the model, without reference energies.
    species : (b, n) int
        -1 for atoms that only fill up.
    origin : (b, n, 3), Angstrom
        Positions of the start.
    basis : (b, 3, 3), Angstrom
        Cell of the start.
    mobile : (b, n, 3)
        0 for components that are fixed.
    cell_scale : (b,), Angstrom
        From a strain to a coordinate: the root of the number of atoms, which makes the curvatures
        of a cell, proportional to its atoms, alike to those of an atom.
    """

    params: Params
    species: jax.Array
    origin: jax.Array
    basis: jax.Array
    mobile: jax.Array
    cell_scale: jax.Array


class Reached(NamedTuple):
    """The last point whose forces are known, and finite; NaN before the first.

    Attributes
    ----------
    coordinates : (b, n + 3, 3), Angstrom
        Displacements in the frame of the start, and the strain times ``cell_scale``.
    energies : (b, n_members), eV
        Without reference energies.
    forces : (b, n, 3), eV/Angstrom
    virial : (b, 3, 3), eV
    max_force : (b,), eV/Angstrom
        Of atoms that may move.
    stress_error : (b,), eV/Angstrom^3
    """

    coordinates: jax.Array
    energies: jax.Array
    forces: jax.Array
    virial: jax.Array
    max_force: jax.Array
    stress_error: jax.Array


class RelaxState(NamedTuple):
    """What steps change.

    Attributes
    ----------
    status : (b,) int
        `Status`.
    steps : (b,) int
        Steps to ``coordinates``.
    coordinates : (b, n + 3, 3), Angstrom
        Where the next forces are to be found.
    reached : Reached
    memory
        Of the optimizer.
    neighbors : DeviceList
    stale : (b,) bool
        Whether a list must be built before.
    """

    status: jax.Array
    steps: jax.Array
    coordinates: jax.Array
    reached: Reached
    memory: Any
    neighbors: DeviceList
    stale: jax.Array


class Block(NamedTuple):
    """What many steps gave.

    Attributes
    ----------
    state : RelaxState
    taken : () int
        Steps of the block so far.
    needed : () int
        More than the capacity if a list did not fit; the block has then ended before it.
    """

    state: RelaxState
    taken: jax.Array
    needed: jax.Array
