"""Many steps as one compiled loop.

Nothing leaves the device before the block ends: frames are written to a buffer, and whatever may
stop a replica (`Reason`) is an integer that the loop itself looks at. A step that is not finite is
not taken: the replica stays at the step before.

The innermost loop takes steps until the next check, or until a neighbour list is stale; lists are
built between such stretches, so a step neither copies nor branches over them. When a list
overflows, the block ends with ``pending`` untouched: the host makes room, and no frame is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nodes.numerics.biases import biased_evaluate
from nodes.numerics.md.checks import Check, Moment
from nodes.numerics.md.constraints import project
from nodes.numerics.md.lists import (
    Still,
    each_replica,
    graph_of,
    lists_are_stale,
    rebuild_lists,
    still_of,
)
from nodes.numerics.md.moving import Conditions, Moving
from nodes.numerics.md.spec_numbers import put_numbers
from nodes.numerics.md.state import Block, Frames, MDState, Program, Reason, Rules, System
from nodes.numerics.neighbors.device import DeviceList
from nodes.numerics.potentials.graph import Graph
from nodes.numerics.units import FS, GPA, KB

__all__ = ["empty_frames", "first_extra", "run_block"]


@partial(jax.jit, static_argnums=0)
def run_block(program: Program, system: System, state: MDState) -> Block:
    """Run until the frame buffer is full, all is done and looked at, or nothing can go on."""
    none = jnp.zeros((), jnp.int32)
    frames = empty_frames(program.frames_per_block, state.moving)
    block = Block(state, frames, none, none, jnp.zeros((), bool))

    def unfinished(block: Block) -> jax.Array:
        room = block.n_frames < program.frames_per_block
        more = jnp.any(block.state.reason == Reason.NONE)
        return room & more & ~block.overflow & (block.state.looked < system.n_steps)

    def stretch(block: Block) -> Block:
        block = jax.lax.cond(
            block.state.stale, partial(_rebuild, program, system), lambda block: block, block
        )
        state = block.state
        target = jnp.where(
            state.looked < 0, 0, (state.looked // system.check_every + 1) * system.check_every
        )
        state = _advance_to(program, system, jnp.where(block.overflow, state.step, target), state)
        due = (state.step == target) & jnp.any(state.reason == Reason.NONE)
        look = partial(_look, program, system)
        return jax.lax.cond(due, look, lambda block: block, block._replace(state=state))

    return jax.lax.while_loop(unfinished, stretch, block)


def empty_frames(count: int, moving: Moving) -> Frames:
    """A buffer for frames of all replicas; no frame is there."""
    b, dtype = len(moving.positions), moving.positions.dtype
    vectors = jnp.zeros((count, *moving.positions.shape), dtype)
    matrices = jnp.zeros((count, b, 3, 3), dtype)
    scalars = jnp.zeros((count, b), dtype)
    steps = jnp.full((count, b), -1, jnp.int32)
    return Frames(
        steps, vectors, vectors, vectors, matrices, matrices, scalars, scalars, scalars, scalars
    )


def first_extra(rules: Rules, system: System, moving: Moving) -> Any:
    """Variables of thermostat and barostat before step 0, with a leading axis of replicas."""
    return _over(
        rules.integrator.init, moving, _conditions(rules, system, jnp.zeros((), jnp.int32))
    )


def _rebuild(program: Program, system: System, block: Block) -> Block:
    """Build all lists for the positions to come, or say how many slots are missing."""
    state = block.state
    positions, cell = state.pending.positions, state.pending.cell
    present = system.species >= 0
    neighbors, needed = rebuild_lists(program.spec, present, positions, cell)
    needed = jnp.max(needed).astype(jnp.int32)
    overflow = needed > program.spec.capacity
    state = state._replace(neighbors=neighbors, stale=overflow)
    return block._replace(state=state, needed=needed, overflow=overflow)


class _Flow(NamedTuple):
    """What a step changes; see `MDState`."""

    step: jax.Array
    stale: jax.Array
    reason: jax.Array
    stopped_at: jax.Array
    moving: Moving
    pending: Moving
    energies: jax.Array


def _advance_to(program: Program, system: System, target: jax.Array, state: MDState) -> MDState:
    """Take steps to ``target``, unless a list becomes stale or nothing can go on before."""

    def going(flow: _Flow) -> jax.Array:
        return (flow.step < target) & ~flow.stale & jnp.any(flow.reason == Reason.NONE)

    flow = _Flow(*(getattr(state, name) for name in _Flow._fields))
    still = _still(program, system, state)
    flow = jax.lax.while_loop(going, partial(_advance, program, system, state, still), flow)
    return state._replace(**flow._asdict())


def _advance(program: Program, system: System, state: MDState, still: Still, flow: _Flow) -> _Flow:
    """Complete the pending step and begin the next, for each replica that still moves.

    The forces of the start are found in the same way; there is no step before to complete.
    """
    rules: Rules = put_numbers(program.rules, system.numbers)
    integrator, step = rules.integrator, flow.step + 1
    graph = _graph(program, system, state.neighbors, still, flow.pending)
    result = biased_evaluate(
        program.model, rules.biases, system.params, graph, positions=flow.pending.positions
    )
    arrived = _like(flow.pending._replace(forces=result.forces, virial=result.virial), flow.pending)
    before = _conditions(rules, system, jnp.maximum(flow.step, 0))
    now = _conditions(rules, system, step)
    begun = arrived._replace(extra=_like(_over(integrator.init, arrived, now), arrived.extra))
    completed = _held(program, system, _over(integrator.after, arrived, before))
    moving = _pick(jnp.broadcast_to(flow.step < 0, flow.reason.shape), begun, completed)
    going = flow.reason == Reason.NONE
    broken = going & ~each_replica(_is_finite, moving, result.energies)
    taken = going & ~broken
    moving = _pick(taken, moving, flow.moving)
    pending = _held(program, system, _over(integrator.before, moving, now))
    pending = _pick(taken, pending, flow.moving)
    stale = lists_are_stale(
        program.spec, state.neighbors, system.species >= 0, pending.positions, pending.cell,
        cell_changes=integrator.changes_cell,
    )  # fmt: skip
    # Positions that are not finite are found with their forces, in the step that they belong to.
    stale &= taken & each_replica(lambda p: jnp.isfinite(jnp.sum(p)), pending.positions)
    return _Flow(
        step=jnp.where(jnp.any(taken), step, flow.step),
        stale=jnp.any(stale),
        reason=jnp.where(broken, Reason.NOT_FINITE, flow.reason).astype(jnp.int32),
        stopped_at=jnp.where(going, step, flow.stopped_at),
        moving=moving,
        pending=pending,
        energies=_pick(taken, result.energies.astype(flow.energies.dtype), flow.energies),
    )


def _look(program: Program, system: System, block: Block) -> Block:
    """Evaluate the checks at the present step; keep frames that are due or decisive.

    Forces and energies are those of the step; only the uncertainty of forces needs more.
    """
    state, rules = block.state, put_numbers(program.rules, system.numbers)
    due = state.step % system.sample_every == 0
    frame, moments = _moments(program, system, rules, state, due)
    going = state.reason == Reason.NONE
    reason, value, memories = state.reason, state.value, []
    for k, (check, memory) in enumerate(zip(rules.checks, state.memories, strict=True)):
        look = partial(_look_of, check, program.spec.pbc)
        found, stops, memory = each_replica(look, moments, memory)
        stops = stops & (reason == Reason.NONE)
        reason = jnp.where(stops, Reason.CHECK + k, reason).astype(jnp.int32)
        value = jnp.where(stops, found.astype(value.dtype), value)
        memories.append(_like(memory, state.memories[k]))
    kept = going & (due | (reason != Reason.NONE))
    # An index beyond the buffer writes nothing.
    place = jnp.where(jnp.any(kept), block.n_frames, program.frames_per_block)
    frames = _write(block.frames, place, frame._replace(step=jnp.where(kept, frame.step, -1)))
    recent = state.recent
    if program.keep_before:
        turn = (state.step // system.check_every) % program.keep_before
        oldest = jax.tree.map(lambda rows: rows[turn], recent)
        # A replica that stops here keeps all that came before.
        goes_on = going & (reason == Reason.NONE)
        recent = _write(recent, turn, _pick(goes_on, _like(frame, oldest), oldest))
    state = state._replace(
        looked=state.step, reason=reason, value=value, memories=tuple(memories), recent=recent
    )
    count = block.n_frames + jnp.any(kept).astype(jnp.int32)
    return block._replace(state=state, frames=frames, n_frames=count)


def _look_of(
    check: Check, pbc: tuple[bool, bool, bool], moment: Moment, memory: dict[str, jax.Array]
) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
    return check.look(moment._replace(pbc=pbc), memory)


def _moments(
    program: Program, system: System, rules: Rules, state: MDState, due: jax.Array
) -> tuple[Frames, Moment]:
    """The present frame of all replicas, and what checks see of it."""
    moving, energies = state.moving, state.energies
    scalars = jnp.zeros(len(energies), moving.positions.dtype)
    energy, energy_std = jnp.mean(energies, axis=-1), scalars
    if energies.shape[-1] > 1:
        energy_std = jnp.std(energies, axis=-1, ddof=1)
    force_std = scalars
    if program.force_std != "never":
        force_std = jax.lax.cond(
            due | (program.force_std == "checked"),
            lambda: _force_std(program, system, rules, state).astype(scalars.dtype),
            lambda: scalars,
        )
    closest = scalars
    if any(check.needs_distances for check in rules.checks):
        still = _still(program, system, state)
        vectors = _graph(program, system, state.neighbors, still, moving).vectors
        closest = jnp.sqrt(jnp.min(jnp.sum(vectors**2, axis=-1), axis=(1, 2)))
    conditions = _conditions(rules, system, state.step)
    conserved = _over(rules.integrator.conserved, moving, conditions, energy)
    squares = jnp.sum(moving.velocities**2 * system.masses, axis=(1, 2))
    present = system.species >= 0
    moment = Moment(
        positions=moving.positions, cell=moving.cell, pbc=(), present=present,
        n_atoms=jnp.sum(present, axis=-1), energy=energy, energy_std=energy_std,
        force_std_max=force_std, temperature_k=squares / (system.freedom.dof * KB),
        distance_min=closest,
    )  # fmt: skip
    steps = jnp.broadcast_to(state.step, energy.shape)
    frame = Frames(
        steps, moving.positions, moving.velocities, moving.forces, moving.cell, moving.virial,
        energy, energy_std, force_std, conserved,
    )  # fmt: skip
    return frame, moment


def _force_std(program: Program, system: System, rules: Rules, state: MDState) -> jax.Array:
    """Largest uncertainty of an atom's force in each replica, shape (b,)."""
    still = _still(program, system, state)
    graph = _graph(program, system, state.neighbors, still, state.moving)
    result = biased_evaluate(
        program.model, rules.biases, system.params, graph,
        positions=state.moving.positions, members=True,
    )  # fmt: skip
    assert result.member_forces is not None
    variance = jnp.var(result.member_forces, axis=0, ddof=1)
    return jnp.sqrt(jnp.max(jnp.sum(variance, axis=-1), axis=-1))


def _write(buffer: Frames, place: jax.Array, frame: Frames) -> Frames:
    return jax.tree.map(
        lambda rows, row: rows.at[place].set(row.astype(rows.dtype), mode="drop"), buffer, frame
    )


def _conditions(rules: Rules, system: System, step: jax.Array) -> Conditions:
    """Conditions of one step; masses, mobile, dof and key have a leading axis of replicas."""
    dtype = system.masses.dtype
    temperature = rules.temperature.at(step, system.timestep_fs)
    pressure = rules.pressure.at(step, system.timestep_fs) if rules.pressure is not None else 0.0
    return Conditions(
        timestep=jnp.asarray(system.timestep_fs * FS, dtype),
        thermal_energy=jnp.asarray(KB * temperature, dtype),
        pressure=jnp.asarray(pressure * GPA, dtype),
        masses=system.masses,
        mobile=system.freedom.mobile,
        dof=system.freedom.dof,
        key=system.keys,
        step=step,
    )


def _over(
    function: Callable[..., Any], moving: Moving, conditions: Conditions, *more: jax.Array
) -> Any:
    """Apply ``function(moving, *more, conditions)`` to each replica."""

    def single(moving: Moving, own: tuple[Any, ...], *more: jax.Array) -> Any:
        masses, mobile, dof, key = own
        mine = conditions._replace(masses=masses, mobile=mobile, dof=dof, key=key)
        return function(moving, *more, mine)

    own = (conditions.masses, conditions.mobile, conditions.dof, conditions.key)
    result = each_replica(single, moving, own, *more)
    return _like(result, moving) if isinstance(result, Moving) else result


def _held(program: Program, system: System, moving: Moving) -> Moving:
    """With the centre of mass where a constraint wants it."""
    if not program.holds_center:
        return moving
    return each_replica(
        lambda moving, freedom, masses: project(freedom, masses, moving),
        moving,
        system.freedom,
        system.masses,
    )


def _like(tree: Any, example: Any) -> Any:
    """The same numbers in the types of ``example``."""
    return jax.tree.map(lambda a, b: jnp.asarray(a, b.dtype), tree, example)


def _is_finite(moving: Moving, energies: jax.Array) -> jax.Array:
    parts = (moving.positions, moving.velocities, moving.forces, moving.cell, energies)
    return jnp.isfinite(sum(jnp.sum(part) for part in parts))


def _pick(taken: jax.Array, new: Any, old: Any) -> Any:
    """Leaves of ``new`` where ``taken`` (b,), else those of ``old``."""
    return jax.tree.map(
        lambda a, b: jnp.where(taken.reshape(-1, *[1] * (b.ndim - 1)), a, b), new, old
    )


def _still(program: Program, system: System, state: MDState) -> Still:
    return still_of(
        program.spec, state.neighbors, system.species, state.moving.cell,
        cell_changes=program.rules.integrator.changes_cell,
    )  # fmt: skip


def _graph(
    program: Program, system: System, neighbors: DeviceList, still: Still, moving: Moving
) -> Graph:
    return graph_of(program.spec, neighbors, system.species, still, moving.positions, moving.cell)
