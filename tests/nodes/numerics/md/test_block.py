"""One block at a time; what a whole run does is tested with simulations."""

import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.md.batch import Start, assemble
from nodes.numerics.md.block import empty_frames, run_block
from nodes.numerics.md.state import Reason


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.slow
def test_a_block_ends_when_its_buffer_is_full_and_goes_on_without_a_gap(
    model, params, crystal, checked
):
    settings = dataclasses.replace(checked, n_steps=30)
    batch = assemble(model, params, [Start(crystal)], settings)
    first = run_block(batch.program, batch.system, batch.state)
    assert int(first.n_frames) == 2
    np.testing.assert_array_equal(first.frames.step[:, 0], [0, 10])
    second = run_block(batch.program, batch.system, first.state)
    np.testing.assert_array_equal(second.frames.step[:, 0], [20, 30])
    assert (int(second.state.step), int(second.state.looked)) == (30, 30)
    assert int(second.state.reason[0]) == Reason.NONE
    # Nothing is left to do.
    third = run_block(batch.program, batch.system, second.state)
    assert int(third.n_frames) == 0
    np.testing.assert_array_equal(third.state.moving.positions, second.state.moving.positions)
    np.testing.assert_array_equal(np.sort(third.state.recent.step[:, 0]), [24, 26, 28, 30])


@pytest.mark.slow
def test_an_overflow_leaves_the_pending_step_untouched(model, params, crystal, checked):
    batch = assemble(model, params, [Start(crystal)], checked)
    small = batch.program._replace(spec=dataclasses.replace(batch.program.spec, capacity=4))
    lists = jax.tree.map(lambda leaf: leaf[:, :, :4], dataclasses.replace(
        batch.state.neighbors, origin=None, basis=None
    ))  # fmt: skip
    lists = dataclasses.replace(
        lists, origin=batch.state.neighbors.origin, basis=batch.state.neighbors.basis
    )
    state = batch.state._replace(neighbors=lists, stale=np.array(True))
    block = run_block(small, batch.system, state)
    assert bool(block.overflow)
    assert int(block.needed) > 4
    assert (int(block.n_frames), int(block.state.step)) == (0, -1)
    np.testing.assert_array_equal(block.state.pending.positions, state.pending.positions)


def test_a_buffer_is_empty_at_first(model, params, crystal, checked):
    moving = assemble(model, params, [Start(crystal)] * 2, checked).state.moving
    frames = empty_frames(3, moving)
    assert frames.positions.shape == (3, 2, 4, 3)
    assert (frames.step == -1).all()
