"""Batches: structures of any size as arrays of one shape, and one structure put for another."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from nodes.numerics.neighbors.cells import periodic_basis
from nodes.numerics.neighbors.device import DeviceList, ListSpec, from_structure
from nodes.numerics.potentials.graph import species_of
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.potentials.prediction import rounded_size
from nodes.numerics.relax.optimizers import filled
from nodes.numerics.relax.settings import RelaxSettings
from nodes.numerics.relax.state import Problem, Program, Reached, RelaxState, Status
from nodes.numerics.structures import Structure

__all__ = [
    "RelaxStart", "common_spec", "first_state", "groups_of", "problem_of", "put_rows",
    "take_rows", "with_lists",
]  # fmt: skip

_LOOKED_AT = 64
_SHRUNK = 0.96
_SPARE = 1.25


@dataclass(frozen=True, eq=False)
class RelaxStart:
    """Where a relaxation begins.

    Parameters
    ----------
    structure : Structure
    mobile : (n, 3) bool, optional
        Which components of positions may change; by default all.

    Raises
    ------
    ValueError
        If the mask does not fit to the structure.
    """

    structure: Structure
    mobile: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.structure), 3)
        mobile = np.ones(shape, bool) if self.mobile is None else np.asarray(self.mobile, bool)
        if mobile.shape != shape:
            raise ValueError(f"mobile must have shape {shape}, received {mobile.shape}")
        object.__setattr__(self, "mobile", mobile)


def groups_of(starts: Sequence[RelaxStart]) -> list[list[int]]:
    """Rows of structures that share a compiled program: similar in size, periodic alike."""
    groups: dict[Any, list[int]] = {}
    for row, start in enumerate(starts):
        structure = start.structure
        key = (rounded_size(len(structure)), *structure.pbc.tolist())
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def common_spec(
    structures: Sequence[Structure],
    cutoff: float,
    settings: RelaxSettings,
    *,
    more_than: int = 0,
) -> ListSpec:
    """One spec of neighbour lists for structures that are periodic in the same directions.

    Of many structures only some are looked at: a list that does not fit is found when it is built.
    One whose atoms coincide says nothing here; its forces will.

    Parameters
    ----------
    more_than : int
        Slots that did not suffice.

    Raises
    ------
    ValueError
        If atoms coincide in all structures.
    """
    chosen = np.unique(np.linspace(0, len(structures) - 1, _LOOKED_AT).astype(int))
    least = int(_SPARE * more_than)
    found = [_own_spec(structures[row], cutoff, settings, least) for row in chosen]
    specs = [spec for spec in found if spec is not None]
    if not specs:
        raise ValueError("atoms must not coincide, received no structure where they do not")
    x, y, z = (max(spec.images[axis] for spec in specs) for axis in range(3))
    grids = {spec.grid for spec in specs}
    same = len(grids) == 1 and len({len(structure) for structure in structures}) == 1
    capacity = max(spec.capacity for spec in specs)
    grid = specs[0].grid if same else None
    return dataclasses.replace(specs[0], capacity=capacity, images=(x, y, z), grid=grid)


def _own_spec(
    structure: Structure, cutoff: float, settings: RelaxSettings, least: int
) -> ListSpec | None:
    # A cell may shrink so far before slots, images or bins are too few.
    scale = _SHRUNK if settings.changes_cell else 1.0
    try:
        spec, _ = from_structure(
            scale * structure.positions, scale * structure.cell, structure.pbc,
            cutoff=cutoff, skin=settings.skin_angstrom, min_capacity=least,
        )  # fmt: skip
    except ValueError:
        return None
    return spec


def problem_of(
    model: EnergyModel, params: Params, starts: Sequence[RelaxStart], n_atoms: int
) -> Problem:
    """Structures as arrays of one shape, in JAX's float type.

    Parameters
    ----------
    params
        What `EnergyModel.evaluate` needs of them.
    """
    b, dtype = len(starts), jax.numpy.result_type(float)
    species = np.full((b, n_atoms), -1, np.int32)
    origin, mobile = np.zeros((2, b, n_atoms, 3), dtype)
    basis, scale = np.zeros((b, 3, 3), dtype), np.zeros(b, dtype)
    for slot, start in enumerate(starts):
        structure, n = start.structure, len(start.structure)
        species[slot, :n] = species_of(structure.numbers, model.config.elements)
        origin[slot, :n], mobile[slot, :n] = structure.positions, start.mobile
        basis[slot] = periodic_basis(structure.cell, structure.pbc)
        scale[slot] = np.sqrt(n)
    arrays: Any = (species, origin, basis, mobile, scale)
    return Problem(params, *arrays)


def first_state(program: Program, problem: Problem) -> RelaxState:
    """State before step 0, in NumPy."""
    b, n = problem.species.shape
    dtype = np.dtype(problem.origin.dtype)
    shape, nan = (b, n + 3, 3), np.nan
    reached = Reached(
        coordinates=filled(shape, 0.0, dtype),
        energies=filled((b, program.model.config.n_members), nan, dtype),
        forces=filled((b, n, 3), nan, dtype),
        virial=filled((b, 3, 3), nan, dtype),
        max_force=filled((b,), nan, dtype),
        stress_error=filled((b,), nan, dtype),
    )
    return RelaxState(
        status=filled((b,), Status.MOVING, np.int32),
        steps=filled((b,), 0, np.int32),
        coordinates=filled(shape, 0.0, dtype),
        reached=reached,
        memory=program.optimizer.start(shape, dtype),
        neighbors=_empty_lists(problem, program.spec),
        stale=filled((b,), 1, bool),
    )


def with_lists(state: RelaxState, problem: Problem, spec: ListSpec) -> RelaxState:
    """The state with empty lists, to be built before the next step of what moves."""
    stale: Any = np.asarray(state.status) == Status.MOVING
    return state._replace(neighbors=_empty_lists(problem, spec), stale=stale)


def _empty_lists(problem: Problem, spec: ListSpec) -> DeviceList:
    dtype = np.dtype(problem.origin.dtype)
    slots = (*problem.species.shape, spec.capacity)
    return DeviceList(
        senders=filled(slots, 0, np.int32),
        shifts=filled((*slots, 3), 0, np.int32),
        reverse=filled(slots, 0, np.int32),
        occupied=filled(slots, 0, bool),
        origin=filled(problem.origin.shape, 0.0, dtype),
        basis=filled(problem.basis.shape, 0.0, dtype),
    )


def take_rows(tree: Any, rows: Sequence[int]) -> Any:
    """Some slots of a tree of arrays, in NumPy."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[list(rows)], tree)


def put_rows(tree: Any, rows: Sequence[int], new: Any) -> Any:
    """A tree of arrays with other content in some slots, in NumPy."""

    def put(leaf: Any, values: Any) -> np.ndarray:
        changed = np.array(leaf)
        changed[list(rows)] = np.asarray(values)
        return changed

    return jax.tree.map(put, tree, new)
