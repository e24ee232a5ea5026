"""run_md(): conservation, temperature, stops, overflow and restart."""

import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.elements import atomic_masses_amu
from nodes.numerics.md import MDSettings, run_md
from nodes.numerics.md import run as run_module
from nodes.numerics.md.block import run_block
from nodes.numerics.structures import Structure
from nodes.numerics.units import FS

NVE = MDSettings(ensemble="nve", timestep_fs=2.0, n_steps=60, sample_every=2, frames_per_block=7)
NVT = dataclasses.replace(NVE, ensemble="nvt", friction_per_ps=20.0)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


class Killed(Exception):
    pass


def total_energy(result, structure):
    masses = atomic_masses_amu(structure.numbers)
    return result.energies + 0.5 * np.sum(result.velocities**2, axis=-1) @ masses


def assert_same_bits(a, b):
    for field in dataclasses.fields(a):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), field.name)


def test_nve_conserves_energy_to_second_order(model, params, crystal):
    drifts = []
    for timestep_fs in (1.0, 2.0):
        n_steps = round(200 / timestep_fs)
        settings = dataclasses.replace(NVE, timestep_fs=timestep_fs, n_steps=n_steps)
        result = run_md(model, params, crystal, settings)
        energy = total_energy(result, crystal)
        drifts.append(np.std(energy - energy[0]))
        assert np.ptp(energy) < 1e-2 * np.ptp(result.energies)
        momentum = atomic_masses_amu(crystal.numbers) @ result.velocities
        np.testing.assert_allclose(momentum, 0, atol=1e-9)
    assert drifts[1] / drifts[0] == pytest.approx(4.0, rel=0.2)


def test_frames_are_complete_and_equal_fresh_predictions(model, params, crystal):
    result = run_md(model, params, crystal, NVT)
    np.testing.assert_array_equal(result.steps, np.arange(0, 61, 2))
    assert (result.stop_reason, result.stopped_at_step) == ("completed", 60)
    assert result.trigger_index is None
    np.testing.assert_array_equal(result.positions[0], crystal.positions)
    frames = [dataclasses.replace(crystal, positions=p) for p in result.positions[::10]]
    predictions = model.predict_many(params, frames, forces_std=True)
    for index, prediction in zip(range(0, 31, 10), predictions, strict=True):
        assert result.energies[index] == pytest.approx(prediction.energy, abs=1e-10)
        np.testing.assert_allclose(result.forces[index], prediction.forces, atol=1e-10)
        std = np.sqrt(np.max(np.sum(prediction.forces_std**2, axis=1)))
        assert result.force_std_max[index] == pytest.approx(std)
        assert result.energy_std[index] == pytest.approx(prediction.energy_std)


def test_skin_changes_nothing(model, params, crystal):
    hot = dataclasses.replace(NVE, temperature_k=3000.0)
    thin, thick = (
        run_md(model, params, crystal, dataclasses.replace(hot, skin_angstrom=skin))
        for skin in (0.05, 0.5)
    )
    np.testing.assert_allclose(thin.positions, thick.positions, atol=1e-9)


def test_langevin_has_the_temperature_of_its_bath(model, params, crystal):
    settings = dataclasses.replace(
        NVT,
        timestep_fs=1.0,
        friction_per_ps=200.0,
        temperature_k=400.0,
        n_steps=10000,
        sample_every=10,
    )
    result = run_md(model, params, crystal, settings)
    sample = result.temperature_k[10:]
    # Frames are two relaxation times apart, hence independent. Four standard errors.
    error = 400.0 * np.sqrt(2 / (12 * len(sample)))
    assert abs(sample.mean() - 400.0) < 4 * error
    assert np.std(sample) == pytest.approx(400.0 * np.sqrt(2 / 12), rel=0.15)


def test_uncertain_step_stops_the_run_and_is_kept(model, params, crystal):
    hot = dataclasses.replace(NVE, temperature_k=2000.0)
    free = run_md(model, params, crystal, hot)
    std = free.force_std_max
    # A frame more uncertain than all before it, but not the first of those.
    index = next(k for k in range(3, len(std)) if std[k] > std[:k].max())
    limit = float(0.5 * (std[:index].max() + std[index]))
    settings = dataclasses.replace(
        hot, sample_every=20, check_every=2, max_force_std_ev_per_angstrom=limit
    )
    result = run_md(model, params, crystal, settings)
    assert (result.stop_reason, result.stopped_at_step) == ("uncertain", free.steps[index])
    assert free.steps[index] % 20
    assert result.trigger_index == len(result.steps) - 1
    assert result.steps[-1] == free.steps[index]
    assert result.force_std_max[-1] > limit
    np.testing.assert_allclose(result.positions[-1], free.positions[index], atol=1e-9)


def test_values_that_are_not_finite_are_reported_at_their_step(model, params):
    with jax.enable_x64(False):
        check_stops_at_step_four(model, params)


def check_stops_at_step_four(model, params):
    apart = Structure([29, 29], [[0.0, 0, 0], [10.0, 0, 0]], np.zeros((3, 3)), False)
    settings = MDSettings(
        ensemble="nve", timestep_fs=20.0, n_steps=10, sample_every=1, frames_per_block=3
    )
    velocity = 1e38 / (20.0 * FS)
    velocities = np.array([[-velocity, 0, 0], [velocity, 0, 0]])
    result = run_md(model, params, apart, settings, velocities=velocities)
    # Positions of k * 1e38 leave the range of float32 at k = 4.
    assert (result.stop_reason, result.stopped_at_step) == ("not finite", 4)
    np.testing.assert_array_equal(result.steps, [0, 1, 2, 3])
    assert np.isfinite(result.positions).all()
    broken = {**params, "weights": {**params["weights"], "scale": np.array([np.nan], np.float32)}}
    result = run_md(model, broken, apart, settings)
    assert (result.stop_reason, result.stopped_at_step) == ("not finite", 0)
    assert len(result.steps) == 0


def test_overflow_loses_no_frame(model, params, monkeypatch):
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(-1, 3) - 1.0
    spread = Structure([29] * 27, grid * 4.5, np.zeros((3, 3)), False)
    # From no neighbours at all to 18 of the atom in the middle; the first list has 8 slots.
    inward = -grid * 1.8 / (60 * 2.0 * FS)
    regrown = []
    build = run_module.from_structure

    def observed(*args, min_capacity, **kwargs):
        regrown.append(min_capacity)
        return build(*args, min_capacity=min_capacity, **kwargs)

    monkeypatch.setattr(run_module, "from_structure", observed)
    result = run_md(model, params, spread, NVE, velocities=inward)
    assert regrown == [0, 18]

    def roomy(*args, min_capacity, **kwargs):
        return build(*args, min_capacity=24, **kwargs)

    monkeypatch.setattr(run_module, "from_structure", roomy)
    expected = run_md(model, params, spread, NVE, velocities=inward)
    np.testing.assert_array_equal(result.steps, np.arange(0, 61, 2))
    np.testing.assert_allclose(result.positions, expected.positions, atol=1e-10)
    np.testing.assert_allclose(result.energies, expected.energies, atol=1e-10)


@pytest.mark.parametrize("ensemble", ["nve", "nvt"])
def test_restart_gives_the_same_bits(model, params, crystal, tmp_path, ensemble):
    settings = dataclasses.replace(NVT, ensemble=ensemble, temperature_k=2000.0)
    whole = run_md(model, params, crystal, settings)

    def kill(progress):
        if progress.step > 20:
            raise Killed

    with pytest.raises(Killed):
        run_md(model, params, crystal, settings, checkpoint_dir=tmp_path, on_block=kill)
    blocks = []
    resumed = run_md(
        model, params, crystal, settings, checkpoint_dir=tmp_path, on_block=blocks.append
    )
    assert blocks[0].step > 20
    assert_same_bits(resumed, whole)
    finished = run_md(model, params, crystal, settings, checkpoint_dir=tmp_path)
    assert_same_bits(finished, whole)
    other = dataclasses.replace(settings, seed=1)
    with pytest.raises(ValueError, match="received one of another structure, model or settings"):
        run_md(model, params, crystal, other, checkpoint_dir=tmp_path)


def test_changed_numbers_share_one_program(model, params, crystal):
    run_md(model, params, crystal, NVT)
    programs = run_block._cache_size()
    changed = dataclasses.replace(
        NVT, seed=5, temperature_k=10.0, n_steps=20, timestep_fs=0.1, sample_every=10, check_every=1
    )
    run_md(model, params, crystal, changed)
    assert run_block._cache_size() == programs


def test_limit_needs_an_ensemble(model, params, crystal):
    single = dataclasses.replace(model, config=dataclasses.replace(model.config, n_members=1))
    settings = dataclasses.replace(NVE, max_force_std_ev_per_angstrom=0.1)
    with pytest.raises(
        ValueError, match=r"must be None for a model with one member, received 0\.1"
    ):
        run_md(single, params, crystal, settings)


def test_velocities_are_checked(model, params, crystal):
    with pytest.raises(ValueError, match=r"velocities must have shape \(4, 3\)"):
        run_md(model, params, crystal, NVT, velocities=np.zeros((3, 3)))
