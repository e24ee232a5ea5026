"""Batches: systems of any size as arrays of one shape, ready for a compiled loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.biases import check_biases
from nodes.numerics.elements import atomic_masses_amu
from nodes.numerics.md.block import empty_frames, first_extra
from nodes.numerics.md.constraints import Constraint, Freedom, freedom_of, without_drift
from nodes.numerics.md.frames import SystemFacts
from nodes.numerics.md.moving import Integrator, Moving
from nodes.numerics.md.settings import MDSettings
from nodes.numerics.md.spec_numbers import take_numbers
from nodes.numerics.md.state import MDState, Program, Reason, Rules, System
from nodes.numerics.md.thermo import maxwell_boltzmann
from nodes.numerics.neighbors.cells import periodic_basis
from nodes.numerics.neighbors.device import DeviceList, ListSpec, from_structure
from nodes.numerics.potentials.graph import species_of
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.structures import Structure

__all__ = ["Batch", "Start", "assemble", "grow_lists"]

_NO_MASS = 1e-20
"""Mass in u of atoms that only fill up a batch: no weight in sums, and no division by zero."""


@dataclass(frozen=True, eq=False)
class Start:
    """Where a run begins.

    Parameters
    ----------
    structure : Structure
    velocities : (n, 3), Angstrom per unit of time, optional
        By default drawn at the temperature of step 0. If nothing exchanges momentum with the
        system, its total momentum is taken off in any case.
    masses : (n,), u, optional
        By default those of the elements.
    constraints : tuple of Constraint
        Besides those of the settings.
    seed : int, optional
        By default that of the settings.
    """

    structure: Structure
    velocities: np.ndarray | None = None
    masses: np.ndarray | None = None
    constraints: tuple[Constraint, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, eq=False)
class Batch:
    """Starts as a compiled loop takes them.

    Attributes
    ----------
    program, system, state
        See `state`.
    facts : tuple of SystemFacts
        Of each replica.
    starts : tuple of Start
        With all that was optional filled in.
    """

    program: Program
    system: System
    state: MDState
    facts: tuple[SystemFacts, ...]
    starts: tuple[Start, ...]

    def with_spec(self, spec: ListSpec) -> Batch:
        """The same with other neighbour lists."""
        return dataclasses.replace(self, program=self.program._replace(spec=spec))


def assemble(
    model: EnergyModel, params: Params, starts: Sequence[Start], settings: MDSettings
) -> Batch:
    """Arrays and program of a run from its settings.

    Raises
    ------
    ValueError
        If there is no start, one does not fit to the model, periodic directions differ, or the
        model or a changing cell cannot have a bias.
    """
    if not starts:
        raise ValueError("starts must hold at least one structure, received none")
    rules = settings.rules()
    _check_biases(model, rules)
    completed = [_complete(start, settings, rules.integrator) for start in starts]
    starts, freedoms = tuple(start for start, _ in completed), [f for _, f in completed]
    n = max(len(start.structure) for start in starts)
    structures = [start.structure for start in starts]
    cutoff = model.config.cutoff_angstrom
    spec, neighbors = _new_lists(structures, n, cutoff, settings.skin_angstrom, 0)
    skeleton, numbers = take_numbers(rules)
    checks = rules.checks
    force_std = "sampled" if settings.force_std and model.config.n_members > 1 else "never"
    if any(check.needs_force_std for check in checks):
        force_std = "checked"
    program = Program(
        model,
        spec,
        skeleton,
        settings.frames_per_block,
        settings.keep_before,
        force_std,
        holds_center=any(np.isfinite(freedom.center).all() for freedom in freedoms),
    )
    facts = tuple(
        _facts(model, params, start, freedom, settings, rules.integrator.changes_cell)
        for start, freedom in completed
    )
    system = _system(model, params, completed, settings, numbers, n)
    memories = [[check.start(start.structure) for start in starts] for check in checks]
    state = _state(program, system, starts, neighbors, memories, rules)
    return Batch(program, system, state, facts, starts)


def grow_lists(batch: Batch, state: MDState, needed: int) -> tuple[Batch, MDState]:
    """Lists with at least so many slots, for positions of which no list could be built."""
    pending = jax.device_get((state.pending.positions, state.pending.cell))
    structures = [
        dataclasses.replace(
            start.structure,
            positions=positions[: len(start.structure)],
            cell=cell if facts.changes_cell else start.structure.cell,
        )
        for start, facts, positions, cell in zip(batch.starts, batch.facts, *pending, strict=True)
    ]
    old = batch.program.spec
    enough = max(needed, int(1.25 * old.capacity))
    n = pending[0].shape[1]
    spec, neighbors = _new_lists(structures, n, old.cutoff, old.skin, enough)
    return batch.with_spec(spec), state._replace(neighbors=neighbors, stale=jnp.zeros((), bool))


def _check_biases(model: EnergyModel, rules: Rules) -> None:
    """A bias that depends on positions says nothing of the pressure: it needs a cell that stays."""
    placed = [b for b in check_biases(rules.biases, model.config.n_members) if b.needs_positions]
    if placed and rules.integrator.changes_cell:
        raise ValueError(
            f"{type(placed[0]).__name__} must not be combined with a changing cell, received "
            f"{type(rules.integrator).__name__}; keep the cell"
        )


def _complete(start: Start, settings: MDSettings, integrator: Integrator) -> tuple[Start, Freedom]:
    """The start with all that is optional filled in, and what its constraints leave free."""
    n = len(start.structure)
    seed = settings.seed if start.seed is None else start.seed
    masses = start.masses
    masses = atomic_masses_amu(start.structure.numbers) if masses is None else np.asarray(masses)
    if masses.shape != (n,) or not np.all(masses > 0.0):
        raise ValueError(f"masses must be {n} positive numbers, received {masses}")
    constraints = (*settings.constraints, *start.constraints)
    structure = start.structure
    isolated = not any(bias.needs_positions for bias in settings.biases)
    freedom = freedom_of(constraints, structure.positions, masses, integrator, isolated=isolated)
    if np.isfinite(freedom.center).all() and freedom.mobile.all():
        center = masses @ structure.positions / masses.sum()
        positions = structure.positions + (freedom.center - center)
        structure = dataclasses.replace(structure, positions=positions)
    velocities = start.velocities
    if velocities is None:
        velocities = maxwell_boltzmann(masses, settings.start_temperature_k, seed)
    velocities = np.asarray(velocities, np.float64)
    if velocities.shape != (n, 3):
        raise ValueError(f"velocities must have shape {(n, 3)}, received {velocities.shape}")
    velocities = without_drift(freedom, masses, velocities)
    return Start(structure, velocities, masses, constraints, seed), freedom


def _facts(
    model: EnergyModel,
    params: Params,
    start: Start,
    freedom: Freedom,
    settings: MDSettings,
    changes_cell: bool,  # noqa: FBT001
) -> SystemFacts:
    structure = start.structure
    assert start.masses is not None
    species = species_of(structure.numbers, model.config.elements)
    return SystemFacts(
        masses=start.masses,
        dof=freedom.dof,
        cell=structure.cell,
        pbc=structure.pbc,
        reference=float(model.reference_energy(params, species)),
        timestep_fs=settings.timestep_fs,
        wrap=settings.wrap,
        changes_cell=changes_cell,
    )


def _system(
    model: EnergyModel,
    params: Params,
    completed: Sequence[tuple[Start, Freedom]],
    settings: MDSettings,
    numbers: tuple[float, ...],
    n: int,
) -> System:
    dtype = jnp.result_type(float)
    constants = {k: v for k, v in params["constants"].items() if k != "reference"}
    if settings.biases:
        constants["reference"] = jnp.asarray(params["constants"]["reference"], dtype)
    elements = model.config.elements
    starts, freedoms = zip(*completed, strict=True)
    species = [species_of(start.structure.numbers, elements) for start in starts]
    masses = _stack([start.masses for start in starts], _NO_MASS, n)[..., None]
    freedom = Freedom(
        mobile=jnp.asarray(_stack([f.mobile for f in freedoms], 0.0, n), dtype),
        dof=jnp.asarray([f.dof for f in freedoms], dtype),
        center=jnp.asarray([f.center for f in freedoms], dtype),
        momentum_free=jnp.asarray([f.momentum_free for f in freedoms]),
    )
    return System(
        params={**params, "constants": constants},
        numbers=tuple(jnp.asarray(number, dtype) for number in numbers),
        species=jnp.asarray(_stack(species, -1, n), jnp.int32),
        masses=jnp.asarray(masses, dtype),
        freedom=freedom,
        keys=jnp.stack([jax.random.key(start.seed) for start in starts]),
        timestep_fs=jnp.asarray(settings.timestep_fs, dtype),
        n_steps=jnp.asarray(settings.n_steps, jnp.int32),
        sample_every=jnp.asarray(settings.sample_every, jnp.int32),
        check_every=jnp.asarray(settings.steps_per_check, jnp.int32),
    )


def _state(
    program: Program,
    system: System,
    starts: Sequence[Start],
    neighbors: DeviceList,
    memories: Sequence[Sequence[dict[str, np.ndarray]]],
    rules: Rules,
) -> MDState:
    """State before step 0; forces, energies and thermostat are filled in by the first step."""
    dtype = system.masses.dtype
    n, b = system.species.shape[1], len(starts)
    positions = jnp.asarray(_stack([s.structure.positions for s in starts], 0.0, n), dtype)
    velocities = jnp.asarray(_stack([s.velocities for s in starts], 0.0, n), dtype)
    cells = [periodic_basis(s.structure.cell, s.structure.pbc) for s in starts]
    zeros = jnp.zeros((b, 3, 3), dtype)
    moving = Moving(
        positions, velocities, jnp.zeros_like(positions), zeros,
        jnp.asarray(np.stack(cells), dtype), (),
    )  # fmt: skip
    moving = moving._replace(extra=first_extra(rules, system, moving))
    none = jnp.zeros(b, jnp.int32)
    return MDState(
        step=jnp.full((), -1, jnp.int32),
        looked=jnp.full((), -1, jnp.int32),
        stale=jnp.zeros((), bool),
        reason=none + Reason.NONE,
        stopped_at=none,
        value=jnp.zeros(b, dtype),
        moving=moving,
        pending=moving,
        energies=jnp.zeros((b, program.model.config.n_members), dtype),
        neighbors=neighbors,
        memories=tuple(_stack_memories(of_check, dtype) for of_check in memories),
        recent=empty_frames(program.keep_before, moving),
    )


def _stack_memories(memories: Sequence[dict[str, np.ndarray]], dtype: Any) -> dict[str, jax.Array]:
    """What a check remembers of each replica; lists are filled up with -1 or False."""
    stacked = {}
    for name in memories[0]:
        arrays = [np.asarray(memory[name]) for memory in memories]
        longest = max((len(array) for array in arrays if array.ndim), default=0)
        filler = False if arrays[0].dtype == bool else -1
        whole = _stack(arrays, filler, longest) if arrays[0].ndim else np.stack(arrays)
        stacked[name] = jnp.asarray(whole, dtype if whole.dtype.kind == "f" else whole.dtype)
    return stacked


def _stack(arrays: Sequence[Any], filler: float, n: int) -> np.ndarray:
    """Arrays (m, ...) as one of shape (b, n, ...)."""
    return np.stack(
        [
            np.pad(a, [(0, n - len(a)), *[(0, 0)] * (np.ndim(a) - 1)], constant_values=filler)
            for a in arrays
        ]
    )


def _new_lists(
    structures: Sequence[Structure], n: int, cutoff: float, skin: float, min_capacity: int
) -> tuple[ListSpec, DeviceList]:
    """Neighbour lists of one shape, and the spec that they share."""

    def build(structure: Structure, capacity: int) -> tuple[ListSpec, DeviceList]:
        return from_structure(
            structure.positions, structure.cell, structure.pbc,
            cutoff=cutoff, skin=skin, min_capacity=capacity,
        )  # fmt: skip

    if len({tuple(structure.pbc) for structure in structures}) > 1:
        raise ValueError(
            "structures of one batch must be periodic in the same directions, received "
            f"{[structure.pbc.tolist() for structure in structures]}; run them apart"
        )
    built = [build(structure, min_capacity) for structure in structures]
    capacity = max(spec.capacity for spec, _ in built)
    built = [
        (spec, found) if spec.capacity == capacity else build(structure, capacity)
        for structure, (spec, found) in zip(structures, built, strict=True)
    ]
    specs = [spec for spec, _ in built]
    same = all(spec == specs[0] for spec in specs) and {n} == {len(s) for s in structures}
    shared = specs[0]
    if not same:
        x, y, z = (max(spec.images[axis] for spec in specs) for axis in range(3))
        shared = dataclasses.replace(shared, images=(x, y, z), grid=None)
    lists = [_padded(found, n) for _, found in built]
    return shared, jax.tree.map(lambda *leaves: jnp.stack(leaves), *lists)


def _padded(neighbors: DeviceList, n: int) -> DeviceList:
    """A list with rows for atoms that are not there."""
    missing = n - len(neighbors.senders)
    if not missing:
        return neighbors
    capacity = neighbors.senders.shape[1]
    rows = jax.tree.map(
        lambda leaf: jnp.concatenate([leaf, jnp.zeros((missing, *leaf.shape[1:]), leaf.dtype)]),
        dataclasses.replace(neighbors, basis=None),
    )
    atoms = jnp.arange(n, dtype=jnp.int32)[:, None]
    slots = atoms * capacity + jnp.arange(capacity, dtype=jnp.int32)
    there = atoms < n - missing
    return dataclasses.replace(
        rows,
        senders=jnp.where(there, rows.senders, atoms),
        reverse=jnp.where(there, rows.reverse, slots),
        basis=neighbors.basis,
    )
