"""run_md(): conservation, temperature, pressure, NaN; what a block does is tested elsewhere."""

import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.biases import (
    Calibration,
    GaussianAcceleration,
    SphericalWall,
    UncertaintyBias,
    predict_biased,
)
from nodes.numerics.elements import atomic_masses_amu
from nodes.numerics.md import MDSettings, Start, run_md, run_replicas
from nodes.numerics.md.moving import CellRescaling, VelocityVerlet
from nodes.numerics.md.schedules import Linear
from nodes.numerics.structures import Structure
from nodes.numerics.units import FS

NVE = MDSettings(
    integrator=VelocityVerlet(), timestep_fs=2.0, n_steps=60, sample_every=2, frames_per_block=7,
    force_std=False,
)  # fmt: skip


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def test_nve_conserves_energy_to_second_order(model, params, crystal):
    drifts = []
    for timestep_fs in (1.0, 2.0):
        n_steps = round(200 / timestep_fs)
        settings = dataclasses.replace(NVE, timestep_fs=timestep_fs, n_steps=n_steps)
        result = run_md(model, params, crystal, settings)
        energy = result.energies + result.kinetic_energies
        np.testing.assert_allclose(result.conserved_energies, energy, atol=1e-9)
        drifts.append(np.std(energy - energy[0]))
        assert np.ptp(energy) < 1e-2 * np.ptp(result.energies)
        momentum = atomic_masses_amu(crystal.numbers) @ result.velocities
        np.testing.assert_allclose(momentum, 0, atol=1e-9)
    assert drifts[1] / drifts[0] == pytest.approx(4.0, rel=0.2)


@pytest.mark.extensive
def test_skin_and_frames_per_block_change_nothing(model, params, crystal):
    hot = dataclasses.replace(NVE, temperature_k=3000.0)
    thin = run_md(model, params, crystal, dataclasses.replace(hot, skin_angstrom=0.05))
    thick = run_md(model, params, crystal, hot)
    np.testing.assert_allclose(thin.positions, thick.positions, atol=1e-9)
    assert thin.stop_reason == "completed"
    assert thin.stop_text == ""
    assert thin.trigger_index is None
    np.testing.assert_array_equal(thin.steps, np.arange(0, 61, 2))


def test_values_that_are_not_finite_are_reported_at_their_step(model, params):
    with jax.enable_x64(False):
        check_stops_at_step_four(model, params)


def check_stops_at_step_four(model, params):
    apart = Structure([29, 29], [[0.0, 0, 0], [10.0, 0, 0]], np.zeros((3, 3)), False)
    settings = dataclasses.replace(
        NVE, timestep_fs=20.0, n_steps=10, sample_every=1, frames_per_block=3
    )
    velocity = 1e38 / (20.0 * FS)
    velocities = np.array([[-velocity, 0, 0], [velocity, 0, 0]])
    result = run_md(model, params, apart, settings, velocities=velocities)
    # Positions of k * 1e38 leave the range of float32 at k = 4.
    assert (result.stop_reason, result.stopped_at_step) == ("not finite", 4)
    assert result.stop_text == "step 4: values are not finite"
    np.testing.assert_array_equal(result.steps, [0, 1, 2, 3])
    assert np.isfinite(result.positions).all()
    broken = {**params, "weights": {**params["weights"], "scale": np.array([np.nan], np.float32)}}
    result = run_md(model, broken, apart, settings)
    assert (result.stop_reason, result.stopped_at_step) == ("not finite", 0)
    assert len(result.steps) == 0


@pytest.mark.slow
def test_one_of_two_replicas_may_fail(model, params):
    with jax.enable_x64(False):
        apart = Structure([29, 29], [[0.0, 0, 0], [10.0, 0, 0]], np.zeros((3, 3)), False)
        calm = dataclasses.replace(
            NVE, timestep_fs=20.0, n_steps=10, sample_every=1, temperature_k=1.0
        )
        velocity = 1e38 / (20.0 * FS)
        velocities = np.array([[-velocity, 0, 0], [velocity, 0, 0]])
        both = run_replicas(model, params, [Start(apart, velocities), apart], calm)
    assert [result.stop_reason for result in both] == ["not finite", "completed"]
    assert [result.stopped_at_step for result in both] == [4, 10]
    assert [len(result.steps) for result in both] == [4, 11]


@pytest.mark.slow
def test_pressure_and_its_schedule_act_and_lists_follow_the_cell(model, params, crystal, tmp_path):
    settings = dataclasses.replace(
        NVE,
        integrator=CellRescaling(tau_fs=50.0, tau_pressure_fs=50.0, mode="full"),
        pressure_gpa=Linear(0.0, 10.0, 100.0),
        temperature_k=Linear(300.0, 100.0, 100.0),
        timestep_fs=1.0,
        n_steps=100,
        sample_every=10,
        frames_per_block=3,
    )
    result = run_md(model, params, crystal, settings, checkpoint_dir=tmp_path)
    assert result.stop_reason == "completed"
    assert result.volumes[-1] < 0.99 * result.volumes[0]
    for k in (0, 5, 10):
        frame = dataclasses.replace(crystal, positions=result.positions[k], cell=result.cells[k])
        fresh = model.predict(params, model.graph(frame))
        assert result.energies[k] == pytest.approx(fresh.energy, abs=1e-9)
        np.testing.assert_allclose(result.forces[k], fresh.forces, atol=1e-9)
        np.testing.assert_allclose(result.stresses[k], fresh.stress, atol=1e-9)
    again = run_md(model, params, crystal, settings, checkpoint_dir=tmp_path)
    for field in dataclasses.fields(result):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(result, field.name))


@pytest.mark.slow
@pytest.mark.parametrize("double", [False, pytest.param(True, marks=pytest.mark.extensive)])
def test_energy_does_not_drift_in_the_long_run(model, params, crystal, double):
    settings = dataclasses.replace(
        NVE, timestep_fs=1.0, n_steps=20000, sample_every=20, frames_per_block=200
    )
    with jax.enable_x64(double):
        result = run_md(model, params, crystal, settings)
    per_atom = (result.energies + result.kinetic_energies) / len(crystal)
    slope = np.polyfit(result.times_fs / 1000.0, per_atom, 1)[0]
    # meV/atom/ps.
    assert abs(1000.0 * slope) < (0.01 if double else 0.05)


@pytest.mark.slow
def test_langevin_has_the_temperature_of_its_bath(model, params, crystal):
    settings = MDSettings(
        timestep_fs=1.0, friction_per_ps=200.0, temperature_k=400.0, n_steps=10000,
        sample_every=10, force_std=False,
    )  # fmt: skip
    result = run_md(model, params, crystal, settings)
    sample = result.temperature_k[10:]
    # Frames are two relaxation times apart, hence independent. Four standard errors.
    error = 400.0 * np.sqrt(2 / (12 * len(sample)))
    assert abs(sample.mean() - 400.0) < 4 * error
    assert np.std(sample) == pytest.approx(400.0 * np.sqrt(2 / 12), rel=0.15)


def test_a_wall_keeps_a_molecule_and_total_energy(model, params):
    pair = Structure([29, 29], [[-1.3, 0, 0], [1.3, 0, 0]], np.zeros((3, 3)), False)
    wall = SphericalWall(3.0, 2.0)
    settings = dataclasses.replace(NVE, timestep_fs=1.0, n_steps=600, biases=[wall])
    hot = np.array([[-0.15, 0.02, 0.0], [0.15, 0.0, 0.03]])
    result = run_md(model, params, pair, settings, velocities=hot)
    beyond = np.maximum(np.linalg.norm(result.positions, axis=-1) - 3.0, 0.0)
    pushed = wall.spring_constant_ev_per_square_angstrom * np.sum(beyond**2, axis=-1) / 2
    assert pushed.max() > 0.5
    assert beyond.max() < 1.5
    # Without the wall they would be far away.
    assert np.abs(pair.positions + hot * 600 * FS).max() > 8.0
    total = result.energies + result.kinetic_energies
    np.testing.assert_allclose(result.conserved_energies, total, atol=1e-9)
    assert np.ptp(total) < 0.01 * np.ptp(result.energies)
    assert np.ptp(total - pushed) > 0.5


@pytest.mark.extensive
def test_frames_have_energies_and_forces_with_a_bias(model, params, crystal):
    bias = UncertaintyBias(0.5, 0.02)
    settings = dataclasses.replace(NVE, n_steps=20, sample_every=10, biases=[bias])
    result = run_md(model, params, crystal, settings)
    frames = [dataclasses.replace(crystal, positions=positions) for positions in result.positions]
    afresh = predict_biased(model, (bias,), params, frames, batch_size=1)
    np.testing.assert_allclose(result.energies, [p.energy for p in afresh], atol=1e-5)
    np.testing.assert_allclose(result.forces, [p.forces for p in afresh], atol=1e-5)
    # The energy that was added is -0.5 eV where members do not agree at all.
    added = 0.5 * np.expm1(-(result.energy_std**2) / (4 * 3 * 0.02**2))
    assert np.all(added < -0.01)
    np.testing.assert_allclose([p.properties["bias_energy"] for p in afresh], added, rtol=1e-3)


@pytest.mark.extensive
def test_frames_have_uncertainties_with_all_biases(model, params, crystal):
    biases = (
        SphericalWall(2.0, 0.3, (1.0, 0.0, 0.5)),
        Calibration(2.0, 3.0),
        UncertaintyBias(0.5, 0.02),
        GaussianAcceleration(-10.0, 0.05),
    )
    settings = dataclasses.replace(NVE, n_steps=20, sample_every=10, force_std=True, biases=biases)
    result = run_md(model, params, crystal, settings)
    for row in range(3):
        there = [dataclasses.replace(crystal, positions=result.positions[row])]
        [afresh] = predict_biased(model, biases, params, there, members=True)
        assert result.energies[row] == pytest.approx(afresh.energy, abs=1e-5)
        np.testing.assert_allclose(result.forces[row], afresh.forces, atol=1e-5)
        np.testing.assert_allclose(result.energy_std[row], afresh.energy_std, rtol=1e-4)
        spread = np.linalg.norm(afresh.forces_std, axis=-1).max()
        assert result.force_std_max[row] == pytest.approx(spread, rel=1e-4)
    for k in range(len(biases)):
        [lacking] = predict_biased(model, biases[:k] + biases[k + 1 :], params, there, members=True)
        felt = np.abs(lacking.forces - afresh.forces).max()
        felt = max(felt, np.abs(lacking.energy_std - afresh.energy_std))
        assert felt > 1e-4, biases[k]
