"""One block at a time; what a whole run does is tested with run_md()."""

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.md.block import MDState, Program, Reason, System, run_block
from nodes.numerics.md.integrators import motion_of
from nodes.numerics.md.settings import MDSettings
from nodes.numerics.neighbors.device import from_structure


def test_block_ends_when_its_buffer_is_full_and_goes_on_without_a_gap(model, params, crystal):
    spec, neighbors = from_structure(
        crystal.positions, crystal.cell, crystal.pbc, cutoff=3.5, skin=0.5
    )
    numbers = [jnp.asarray(n, jnp.int32) for n in (7, 2, 1)]
    motion = motion_of(MDSettings(temperature_k=0.0), jnp.full((4, 1), 63.5))
    species = jnp.zeros(4, jnp.int32)
    cell = jnp.asarray(crystal.cell, jnp.float32)
    limit = jnp.asarray(jnp.inf)
    weights = jax.tree.map(jnp.asarray, params)
    system = System(weights, motion, species, cell, *numbers, limit)
    positions = jnp.asarray(crystal.positions, jnp.float32)
    zeros = jnp.zeros_like(positions)
    state = MDState(jnp.int32(0), jnp.int32(-1), positions, zeros, zeros, neighbors)
    program = Program(model, spec, "nve", frames_per_block=3)

    first = run_block(program, system, state)
    assert Reason(int(first.reason)) is Reason.NONE
    np.testing.assert_array_equal(first.frames.step, [0, 2, 4])
    assert int(first.state.step) == 5  # ready for the next check
    second = run_block(program, system, first.state)
    assert int(second.n_frames) == 1
    assert int(second.frames.step[0]) == 6
    assert int(second.state.step) == 7
    assert int(second.state.measured) == 7
