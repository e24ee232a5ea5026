"""Many steps of many structures as one compiled loop.

Each structure has its own optimizer, neighbour list and end; one that has ended stays where it is.
The innermost loop steps until some list is stale. Lists are built between such stretches, each
for its own structure alone, so that no result depends on who shares the batch.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nodes.numerics.md.lists import (
    Still,
    graph_of,
    lists_are_stale,
    rebuild_lists,
    still_of,
)
from nodes.numerics.potentials.model import Evaluation
from nodes.numerics.relax.state import (
    Block,
    Problem,
    Program,
    Reached,
    RelaxState,
    Status,
    Targets,
)
from nodes.numerics.relax.strain import MAX_STRAIN, free_part, strain_force, stretch

__all__ = ["Place", "place", "run_block"]


class Place(NamedTuple):
    """Where coordinates put atoms and cells.

    Attributes
    ----------
    positions : (b, n, 3), Angstrom
    cell : (b, 3, 3), Angstrom
    strain, stretch : (b, 3, 3)
        X and exp(X) - 1.
    """

    positions: jax.Array
    cell: jax.Array
    strain: jax.Array
    stretch: jax.Array


def place(problem: Problem, coordinates: jax.Array, *, changes_cell: bool) -> Place:
    """Atoms and cells at coordinates (b, n + 3, 3)."""
    undeformed = problem.origin + coordinates[:, :-3]
    if not changes_cell:
        nothing = jnp.zeros_like(problem.basis)
        return Place(undeformed, problem.basis, nothing, nothing)
    strain = coordinates[:, -3:] / problem.cell_scale[:, None, None]
    more = stretch(strain)
    positions, cell = (
        rows + jnp.matmul(rows, more, precision="highest") for rows in (undeformed, problem.basis)
    )
    return Place(positions, cell, strain, more)


@partial(jax.jit, static_argnums=0)
def run_block(program: Program, targets: Targets, problem: Problem, state: RelaxState) -> Block:
    """Take steps until all are taken, every structure has ended, or a list does not fit."""
    none = jnp.zeros((), jnp.int32)

    def unfinished(block: Block) -> jax.Array:
        room = block.taken < targets.block_steps
        fits = block.needed <= program.spec.capacity
        return room & fits & jnp.any(block.state.status == Status.MOVING)

    def stretch_of_steps(block: Block) -> Block:
        state, needed = jax.lax.cond(
            jnp.any(block.state.stale),
            partial(_rebuild, program, problem),
            lambda state: (state, none),
            block.state,
        )
        return _advance(program, targets, problem, block._replace(state=state, needed=needed))

    return jax.lax.while_loop(unfinished, stretch_of_steps, Block(state, none, none))


def _rebuild(program: Program, problem: Problem, state: RelaxState) -> tuple[RelaxState, jax.Array]:
    """Build the lists that are stale, or say how many slots are missing."""
    there = place(problem, state.coordinates, changes_cell=program.changes_cell)
    neighbors, needed = rebuild_lists(
        program.spec, problem.species >= 0, there.positions, there.cell
    )
    needed = jnp.max(jnp.where(state.stale, needed, 0)).astype(jnp.int32)
    stale = state.stale & (needed > program.spec.capacity)
    return state._replace(neighbors=_pick(state.stale, neighbors, state.neighbors), stale=stale), (
        needed
    )


class _Flow(NamedTuple):
    """What a step changes: `RelaxState` without the lists, and the count."""

    status: jax.Array
    steps: jax.Array
    coordinates: jax.Array
    reached: Reached
    memory: Any
    stale: jax.Array
    taken: jax.Array


def _advance(program: Program, targets: Targets, problem: Problem, block: Block) -> Block:
    """Take steps until a list is stale."""
    state = block.state
    still = still_of(
        program.spec, state.neighbors, problem.species, problem.basis,
        cell_changes=program.changes_cell,
    )  # fmt: skip

    def going(flow: _Flow) -> jax.Array:
        more = jnp.any(flow.status == Status.MOVING) & ~jnp.any(flow.stale)
        return more & (flow.taken < targets.block_steps)

    own = {name: getattr(state, name) for name in _Flow._fields if name != "taken"}
    step = partial(_step, program, targets, problem, state, still)
    flow = jax.lax.while_loop(going, step, _Flow(**own, taken=block.taken))
    changed = {name: getattr(flow, name) for name in own}
    return block._replace(state=state._replace(**changed), taken=flow.taken)


def _step(
    program: Program,
    targets: Targets,
    problem: Problem,
    state: RelaxState,
    still: Still,
    flow: _Flow,
) -> _Flow:
    """Find forces; end what is done, and move the rest."""
    there = place(problem, flow.coordinates, changes_cell=program.changes_cell)
    graph = graph_of(
        program.spec, state.neighbors, problem.species, still, there.positions, there.cell
    )
    result = program.model.evaluate(problem.params, graph)
    pull, reached = _judge(program, targets, problem, flow.coordinates, there, result)
    reached = jax.tree.map(lambda new, old: new.astype(old.dtype), reached, flow.reached)
    moving = flow.status == Status.MOVING
    finite = jnp.isfinite(jnp.sum(reached.energies, -1) + jnp.sum(pull, (1, 2)))
    taken = moving & finite
    done = (reached.max_force <= targets.force) & (reached.stress_error <= targets.stress)
    tired = ~done & (flow.steps >= targets.max_steps)
    goes_on = taken & ~done & ~tired
    coordinates, memory = jax.vmap(program.optimizer.move)(
        flow.coordinates, pull.astype(flow.coordinates.dtype), flow.memory
    )
    there = place(problem, coordinates, changes_cell=program.changes_cell)
    lost = goes_on & (jnp.max(jnp.abs(there.strain), axis=(1, 2)) > MAX_STRAIN)
    goes_on &= ~lost
    stale = lists_are_stale(
        program.spec, state.neighbors, problem.species >= 0, there.positions, there.cell,
        cell_changes=program.changes_cell,
    )  # fmt: skip
    status = flow.status
    for which, becomes in (
        (taken & done, Status.CONVERGED),
        (taken & tired, Status.EXHAUSTED),
        (moving & ~finite, Status.NOT_FINITE),
        (lost, Status.RUNAWAY),
    ):
        status = jnp.where(which, jnp.int32(becomes), status)
    return _Flow(
        status=status,
        steps=flow.steps + goes_on,
        coordinates=_pick(goes_on, coordinates, flow.coordinates),
        reached=_pick(taken, reached, flow.reached),
        memory=_pick(goes_on, memory, flow.memory),
        stale=goes_on & stale,
        taken=flow.taken + 1,
    )


def _judge(
    program: Program,
    targets: Targets,
    problem: Problem,
    coordinates: jax.Array,
    there: Place,
    result: Evaluation,
) -> tuple[jax.Array, Reached]:
    """Minus the gradient by coordinates (b, n + 3, 3), and how far from rest each structure is."""
    free = result.forces * problem.mobile
    max_force = jnp.sqrt(jnp.max(jnp.sum(free**2, axis=-1), axis=-1))
    if not program.changes_cell:
        error, of_cell = jnp.zeros_like(max_force), jnp.zeros_like(there.strain)
        pull = free
    else:
        a, b, c = jnp.moveaxis(there.cell, 1, 0)
        volume = jnp.abs(jnp.sum(a * jnp.cross(b, c), axis=-1))[:, None, None]
        excess = result.virial + targets.pressure * volume * jnp.eye(3, dtype=volume.dtype)
        by_strain = strain_force(there.strain, excess)
        free_force = partial(free_part, targets.freedom)
        of_cell = free_force(by_strain) / problem.cell_scale[:, None, None]
        # With some strains fixed, the others are at rest when their own force vanishes.
        judged = jnp.where(jnp.all(targets.freedom.mask > 0.0), excess, by_strain)
        error = jnp.max(jnp.abs(free_force(judged) / volume), axis=(1, 2))
        along = result.forces + jnp.matmul(result.forces, there.stretch, precision="highest")
        pull = along * problem.mobile
    reached = Reached(coordinates, result.energies, result.forces, result.virial, max_force, error)
    return jnp.concatenate([pull, of_cell.astype(pull.dtype)], axis=1), reached


def _pick(taken: jax.Array, new: Any, old: Any) -> Any:
    """Leaves of ``new`` where ``taken`` (b,), else those of ``old``."""
    return jax.tree.map(
        lambda a, b: jnp.where(taken.reshape(-1, *[1] * (b.ndim - 1)), a, b), new, old
    )
