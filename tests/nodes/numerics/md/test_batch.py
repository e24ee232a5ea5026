"""Replicas of different sizes, masses, constraints, overflow."""

import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.biases import SphericalWall, UncertaintyBias
from nodes.numerics.elements import atomic_masses_amu
from nodes.numerics.md import MDSettings, Start, run_md, run_replicas
from nodes.numerics.md import batch as batch_module
from nodes.numerics.md.batch import assemble, grow_lists
from nodes.numerics.md.checks import MaxTemperature
from nodes.numerics.md.constraints import FixAtoms, FixCenterOfMass
from nodes.numerics.md.moving import CellRescaling, VelocityVerlet
from nodes.numerics.potentials import EnergyModel
from nodes.numerics.structures import Structure
from nodes.numerics.units import FS

pytestmark = pytest.mark.slow

SETTINGS = MDSettings(
    timestep_fs=2.0, temperature_k=600.0, n_steps=20, sample_every=5, frames_per_block=7,
    checks=(MaxTemperature(1e4),), force_std=False,
)  # fmt: skip


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def doubled(crystal):
    positions = np.concatenate([crystal.positions, crystal.positions + crystal.cell[0]])
    rng = np.random.default_rng(1)
    return Structure(
        [29] * 8,
        positions + rng.normal(0, 0.05, (8, 3)),
        np.diag([2, 1, 1.02]) @ crystal.cell,
        True,
    )


def test_replicas_of_different_sizes_equal_single_runs(model, params, crystal):
    large = doubled(crystal)
    hot = np.random.default_rng(0).normal(0, 0.3, (4, 3))
    starts = [
        Start(crystal, seed=3),
        Start(large, seed=4, constraints=(FixAtoms((0, 5)),)),
        Start(crystal, hot, seed=5),
        Start(crystal, masses=np.array([63.5, 20.0, 63.5, 63.5]), seed=6),
    ]
    together = run_replicas(model, params, starts, SETTINGS)
    for start, result in zip(starts, together, strict=True):
        alone = run_md(
            model, params, start.structure, dataclasses.replace(SETTINGS, seed=start.seed),
            velocities=start.velocities, masses=start.masses, constraints=start.constraints,
        )  # fmt: skip
        assert (result.stop_reason, result.stopped_at_step) == (
            alone.stop_reason, alone.stopped_at_step,
        )  # fmt: skip
        np.testing.assert_array_equal(result.steps, alone.steps)
        for field in ("positions", "velocities", "forces", "energies", "temperature_k", "stresses"):
            np.testing.assert_allclose(getattr(result, field), getattr(alone, field), atol=1e-6)
    reasons = [result.stop_reason for result in together]
    assert reasons == ["completed", "completed", "too hot", "completed"]
    np.testing.assert_array_equal(together[1].positions[-1, [0, 5]], large.positions[[0, 5]])


def test_masses_and_constraints_decide_what_moves(model, params, crystal):
    fixed = Start(crystal, constraints=(FixAtoms((1, 2)),))
    heavy = Start(crystal, masses=np.array([1e6, 1.0, 1.0, 1.0]))
    held = Start(crystal, constraints=(FixCenterOfMass("origin"),))
    batch = assemble(model, params, [fixed, heavy, held], SETTINGS)
    assert [facts.dof for facts in batch.facts] == [6, 12, 9]
    assert batch.program.holds_center
    np.testing.assert_array_equal(batch.state.moving.velocities[0, 1:3], 0.0)
    assert np.abs(batch.state.moving.velocities[1, 0]).max() < 1e-3
    np.testing.assert_allclose(batch.state.moving.positions[2].mean(axis=0), 0.0, atol=1e-12)
    assert batch.state.moving.velocities.shape == (3, 4, 3)


def test_overflow_loses_no_frame(model, params, monkeypatch):
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(-1, 3) - 1.0
    spread = Structure([29] * 27, grid * 4.5, np.zeros((3, 3)), False)
    settings = dataclasses.replace(
        SETTINGS, ensemble="nve", n_steps=60, checks=(MaxTemperature(1e9),)
    )
    # From no neighbours at all to 18 of the atom in the middle.
    inward = -grid * 1.8 / (60 * 2.0 * FS)
    regrown = []
    grow = batch_module.from_structure

    def observed(*args, min_capacity, **kwargs):
        regrown.append(min_capacity)
        return grow(*args, min_capacity=min_capacity, **kwargs)

    monkeypatch.setattr(batch_module, "from_structure", observed)
    result = run_md(model, params, spread, settings, velocities=inward)
    assert result.stop_reason == "completed"
    assert regrown[0] == 0
    assert regrown[-1] >= 18
    enough = {"min_capacity": regrown[-1]}
    monkeypatch.setattr(batch_module, "from_structure", lambda *a, **k: grow(*a, **{**k, **enough}))
    expected = run_md(model, params, spread, settings, velocities=inward)
    np.testing.assert_array_equal(result.steps, np.arange(0, 61, 5))
    np.testing.assert_allclose(result.positions, expected.positions, atol=1e-10)
    np.testing.assert_allclose(result.energies, expected.energies, atol=1e-10)


def test_lists_grow_for_the_step_to_come(model, params, crystal):
    batch = assemble(model, params, [Start(crystal)], SETTINGS)
    pending = batch.state.pending._replace(positions=batch.state.pending.positions + 0.3)
    state = batch.state._replace(pending=pending, stale=np.array(True))
    grown, after = grow_lists(batch, state, batch.program.spec.capacity + 1)
    assert grown.program.spec.capacity > batch.program.spec.capacity
    np.testing.assert_allclose(after.neighbors.origin, pending.positions)
    assert not after.stale


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"velocities": np.zeros((3, 3))}, r"velocities must have shape \(4, 3\)"),
        ({"masses": np.zeros(4)}, "masses must be 4 positive numbers"),
        ({"constraints": (FixAtoms((7,)),)}, "indices must lie below the 4 atoms"),
    ],
)
def test_starts_are_checked(model, params, crystal, change, message):
    with pytest.raises(ValueError, match=message):
        assemble(model, params, [Start(crystal, **change)], SETTINGS)


def test_batches_must_be_periodic_in_the_same_directions(model, params, crystal):
    slab = dataclasses.replace(crystal, pbc=np.array([True, True, False]))
    with pytest.raises(ValueError, match="periodic in the same directions"):
        assemble(model, params, [Start(crystal), Start(slab)], SETTINGS)
    with pytest.raises(ValueError, match="at least one structure, received none"):
        assemble(model, params, [], SETTINGS)


def test_random_velocities_have_the_temperature_of_the_start(model, params, crystal):
    batch = assemble(model, params, [Start(crystal, seed=k) for k in range(50)], SETTINGS)
    velocities = np.asarray(batch.state.moving.velocities)
    masses = atomic_masses_amu(crystal.numbers)
    warm = np.mean(np.sum(velocities**2, axis=-1) @ masses) / (12 * 8.617333e-5)
    assert warm == pytest.approx(600.0, rel=4 * np.sqrt(2 / 600))


def test_a_wall_exchanges_momentum_and_an_uncertainty_does_not(model, params, crystal):
    def dof(*biases):
        settings = dataclasses.replace(SETTINGS, integrator=VelocityVerlet(), biases=biases)
        batch = assemble(model, params, [Start(crystal)], settings)
        assert ("reference" in batch.system.params["constants"]) == bool(biases)
        return batch.facts[0].dof

    assert dof() == dof(UncertaintyBias(1.0, 0.1)) == 9
    assert dof(UncertaintyBias(1.0, 0.1), SphericalWall(5.0, 1.0)) == 12


def test_other_numbers_of_a_bias_need_no_other_program(model, params, crystal):
    programs = {
        assemble(
            model, params, [Start(crystal)], dataclasses.replace(SETTINGS, biases=biases)
        ).program
        for biases in ((SphericalWall(5.0, 1.0),), (SphericalWall(6.0, 2.0, (1.0, 0.0, 0.0)),))
    }
    assert len(programs) == 1


def test_biases_that_cannot_be_are_refused(model, params, crystal):
    plain = EnergyModel(dataclasses.replace(model.config, n_members=1))
    for used, change, message in (
        (model, {"biases": (3,)}, "biases must be such as UncertaintyBias.*received 3"),
        (plain, {"biases": (UncertaintyBias(1.0, 0.1),)}, "must have an ensemble"),
        (
            model,
            {
                "biases": (SphericalWall(5.0, 1.0),),
                "integrator": CellRescaling(),
                "pressure_gpa": 0.0,
            },
            "SphericalWall must not be combined with a changing cell, received CellRescaling",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            assemble(used, params, [Start(crystal)], dataclasses.replace(SETTINGS, **change))
