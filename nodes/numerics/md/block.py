"""Many steps as one compiled loop.

Nothing leaves the device before the block ends: frames are written to a buffer, and whatever
may stop the run (`Reason`) is one integer that the loop itself looks at. A step that fails, by
NaN or because the neighbour list overflows, is not taken: the state stays at the step before.
After an overflow the run therefore goes on from there with a larger list, and no frame is lost.
"""

from __future__ import annotations

from enum import IntEnum
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nodes.numerics.md.integrators import Motion, first_half, kick
from nodes.numerics.md.settings import Ensemble
from nodes.numerics.neighbors.device import (
    DeviceList,
    ListSpec,
    edge_vectors,
    is_stale,
    rebuild,
)
from nodes.numerics.potentials.graph import Graph
from nodes.numerics.potentials.model import EnergyModel, Evaluation, Params

__all__ = ["Block", "Frames", "MDState", "Program", "Reason", "System", "run_block"]


class Reason(IntEnum):
    """Why a block ended."""

    NONE = 0
    NOT_FINITE = 1
    OVERFLOW = 2
    UNCERTAIN = 3


class Program(NamedTuple):
    """What is fixed at compile time."""

    model: EnergyModel
    spec: ListSpec
    ensemble: Ensemble
    frames_per_block: int


class System(NamedTuple):
    """What stays the same during a run.

    Attributes
    ----------
    params : Params
    motion : Motion
    species : (n,) int
    basis : (3, 3), Angstrom
        See `cells.periodic_basis`.
    n_steps, sample_every, check_every : () int
    max_force_std : () eV/Angstrom
        Infinite for no limit.
    """

    params: Params
    motion: Motion
    species: jax.Array
    basis: jax.Array
    n_steps: jax.Array
    sample_every: jax.Array
    check_every: jax.Array
    max_force_std: jax.Array


Leaf = Any
"""A jax.Array on the device, a NumPy array on the host."""


class MDState(NamedTuple):
    """What changes. ``measured`` is the last step at which the uncertainty was evaluated."""

    step: Leaf
    measured: Leaf
    positions: Leaf
    velocities: Leaf
    forces: Leaf
    neighbors: DeviceList


class Frames(NamedTuple):
    """Frames with a leading axis; energies are without reference energies."""

    step: Leaf
    positions: Leaf
    velocities: Leaf
    forces: Leaf
    energy: Leaf
    energy_std: Leaf
    force_std_max: Leaf


class Block(NamedTuple):
    """A block under way.

    Attributes
    ----------
    n_frames : () int
        So far.
    reason : () int
        A `Reason`.
    stopped_at : () int
        The step that the reason speaks of.
    needed : () int
        Slots that the last rebuild asked for.
    """

    state: MDState
    frames: Frames
    n_frames: jax.Array
    reason: jax.Array
    stopped_at: jax.Array
    needed: jax.Array


@partial(jax.jit, static_argnums=0)
def run_block(program: Program, system: System, state: MDState) -> Block:
    """Run until the frame buffer is full, all steps are done and measured, or a reason to stop."""

    def unfinished(block: Block) -> jax.Array:
        room = block.n_frames < program.frames_per_block
        return (block.reason == Reason.NONE) & room & (block.state.measured < system.n_steps)

    def to_next_check(block: Block) -> Block:
        block = jax.lax.cond(
            (block.state.step % system.check_every == 0)
            & (block.state.step != block.state.measured),
            partial(_measure, program, system),
            lambda block: block,
            block,
        )
        target = (block.state.step // system.check_every + 1) * system.check_every
        target = jnp.minimum(target, system.n_steps)
        return jax.lax.while_loop(
            lambda block: (block.reason == Reason.NONE) & (block.state.step < target),
            partial(_advance, program, system),
            block,
        )

    nothing = jnp.zeros((), jnp.int32)
    block = Block(state, _empty_frames(program, state), *[nothing] * 4)
    return jax.lax.while_loop(unfinished, to_next_check, block)


def _empty_frames(program: Program, state: MDState) -> Frames:
    count, dtype = program.frames_per_block, state.positions.dtype
    vectors = jnp.zeros((count, *state.positions.shape), dtype)
    scalars = jnp.zeros(count, dtype)
    steps = jnp.zeros(count, jnp.int32)
    return Frames(steps, vectors, vectors, vectors, scalars, scalars, scalars)


def _advance(program: Program, system: System, block: Block) -> Block:
    """Take one step, or keep the state and say why not."""
    state, motion = block.state, system.motion
    positions, velocities = first_half(
        program.ensemble, motion, state.step, state.positions, state.velocities, state.forces
    )
    neighbors, needed = jax.lax.cond(
        is_stale(program.spec, state.neighbors, positions),
        lambda: rebuild(program.spec, positions, system.basis),
        lambda: (state.neighbors, jnp.zeros((), jnp.int32)),
    )
    result = _evaluate(program, system, positions, neighbors, members=False)
    forces = result.forces[0]
    velocities = kick(motion, velocities, forces)
    finite = jnp.isfinite(jnp.sum(positions) + jnp.sum(velocities) + jnp.sum(forces))
    reason = jnp.where(needed > program.spec.capacity, Reason.OVERFLOW, Reason.NONE)
    reason = jnp.where(finite, reason, Reason.NOT_FINITE).astype(jnp.int32)
    after = MDState(state.step + 1, state.measured, positions, velocities, forces, neighbors)
    taken = reason == Reason.NONE
    state = jax.tree.map(lambda new, old: jnp.where(taken, new, old), after, state)
    return block._replace(state=state, reason=reason, stopped_at=after.step, needed=needed)


def _measure(program: Program, system: System, block: Block) -> Block:
    """Evaluate the uncertainty at the present step; keep a frame if it is due or decisive.

    The forces found here are those that the next step starts from.
    """
    state = block.state
    ensemble = program.model.config.n_members > 1
    result = _evaluate(program, system, state.positions, state.neighbors, members=ensemble)
    energies, forces = result.energies[0], result.forces[0]
    energy_std = force_std_max = jnp.zeros((), state.positions.dtype)
    if result.member_forces is not None:
        energy_std = jnp.std(energies, ddof=1)
        variance = jnp.var(result.member_forces[:, 0], axis=0, ddof=1)
        force_std_max = jnp.sqrt(jnp.max(jnp.sum(variance, axis=-1)))
    energy = jnp.mean(energies)
    uncertain = force_std_max > system.max_force_std
    finite = jnp.isfinite(energy + jnp.sum(forces))
    reason = jnp.where(uncertain, Reason.UNCERTAIN, Reason.NONE)
    reason = jnp.where(finite, reason, Reason.NOT_FINITE).astype(jnp.int32)

    kept = finite & (uncertain | (state.step % system.sample_every == 0))
    # An index beyond the buffer writes nothing.
    place = jnp.where(kept, block.n_frames, program.frames_per_block)
    frame = Frames(
        state.step, state.positions, state.velocities, forces, energy, energy_std, force_std_max
    )
    frames = jax.tree.map(
        lambda buffer, value: buffer.at[place].set(value.astype(buffer.dtype), mode="drop"),
        block.frames,
        frame,
    )
    state = state._replace(measured=state.step, forces=forces)
    count = block.n_frames + kept.astype(jnp.int32)
    return Block(state, frames, count, reason, state.step, block.needed)


def _evaluate(
    program: Program,
    system: System,
    positions: jax.Array,
    neighbors: DeviceList,
    *,
    members: bool,
) -> Evaluation:
    vectors = edge_vectors(program.spec, neighbors, positions, system.basis)
    senders = jnp.where(neighbors.occupied, system.species[neighbors.senders], -1)
    graph = Graph(system.species, senders, neighbors.reverse, vectors, jnp.full((), jnp.nan))
    batch = jax.tree.map(lambda leaf: leaf[None], graph)
    return program.model.evaluate(system.params, batch, members=members)
