"""Blocks, stops, frames before a stop, restart: all with one compiled program."""

import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.md import MDSettings, Simulation, Start, run_md
from nodes.numerics.md import simulation as simulation_module
from nodes.numerics.md.block import run_block
from nodes.numerics.md.checks import MaxForceStd
from nodes.numerics.potentials import Precision

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def free(model, params, crystal, checked):
    """All checked steps of a run that nothing stops."""
    with jax.enable_x64(True):
        return run_md(model, params, crystal, dataclasses.replace(checked, sample_every=2))


class Killed(Exception):
    pass


def assert_same_bits(a, b):
    for field in dataclasses.fields(a):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), field.name)


def limited(checked, **limits):
    """Settings in which checks of these names have other limits."""
    checks = [
        dataclasses.replace(check, **{dataclasses.fields(check)[0].name: limit})
        if (limit := limits.get(type(check).__name__)) is not None
        else check
        for check in checked.checks
    ]
    return dataclasses.replace(checked, checks=tuple(checks))


def first_record(values, *, after):
    """Row of the first value from row ``after`` on that is larger than all before, and a limit."""
    row = next(k for k in range(after, len(values)) if values[k] > values[:k].max())
    return row, float(0.5 * (values[row] + values[:row].max()))


def distances(positions, cell):
    difference = positions[:, None] - positions[None]
    difference -= np.round(difference / np.diag(cell)) * np.diag(cell)
    lengths = np.linalg.norm(difference, axis=-1)
    return lengths[~np.eye(len(positions), dtype=bool)]


def observed(free, crystal):
    """What each check looks at, by its name, such that large values stop a run."""
    energies = free.energies / len(crystal)
    start = distances(free.positions[0], crystal.cell)
    ratios = [distances(p, crystal.cell) / start for p in free.positions]
    return {
        "MaxForceStd": free.force_std_max,
        "MaxEnergyStd": free.energy_std / len(crystal),
        "MaxTemperature": free.temperature_k,
        "EnergyJump": np.abs(np.diff(energies, prepend=energies[0])),
        "MinDistance": -np.array([distances(p, crystal.cell).min() for p in free.positions]),
        "BondLength": np.array([np.maximum(r, 1 / r).max() for r in ratios]),
        "Reflection": free.positions[:, :, 2].max(axis=1),
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("MaxForceStd", "uncertain"),
        ("MaxEnergyStd", "uncertain"),
        ("MaxTemperature", "too hot"),
        ("EnergyJump", "energy jump"),
        ("MinDistance", "too close"),
        ("BondLength", "bond"),
        ("Reflection", "reflected"),
    ],
)
def test_a_check_stops_the_run_and_the_frames_before_are_kept(
    model, params, crystal, checked, free, name, kind
):
    row, limit = first_record(observed(free, crystal)[name], after=1)
    settings = limited(checked, **{name: abs(limit)})
    result = run_md(model, params, crystal, settings)
    stop = free.steps[row]
    assert (result.stop_reason, result.stopped_at_step) == (kind, stop)
    assert f"step {stop}: {name}: " in result.stop_text
    assert f"{abs(limit):.6g}" in result.stop_text
    assert result.trigger_index == len(result.steps) - 1
    before = [step for step in range(stop - 8, stop, 2) if step >= 0]
    due = range(0, stop, 10)
    np.testing.assert_array_equal(result.steps, sorted({*before, *due, stop}))
    rows = result.steps // 2
    for field in ("positions", "forces", "energies", "force_std_max", "conserved_energies"):
        np.testing.assert_array_equal(getattr(result, field), getattr(free, field)[rows])


def test_frames_equal_fresh_predictions(model, params, crystal, free):
    rows = slice(0, None, 10)
    frames = [dataclasses.replace(crystal, positions=p) for p in free.positions[rows]]
    predictions = model.predict_many(params, frames, forces_std=True)
    for k, prediction in zip(range(0, len(free.steps), 10), predictions, strict=True):
        assert free.energies[k] == pytest.approx(prediction.energy, abs=1e-10)
        np.testing.assert_allclose(free.forces[k], prediction.forces, atol=1e-10)
        np.testing.assert_allclose(free.stresses[k], prediction.stress, atol=1e-10)
        std = np.sqrt(np.max(np.sum(prediction.forces_std**2, axis=1)))
        assert free.force_std_max[k] == pytest.approx(std)
        assert free.energy_std[k] == pytest.approx(prediction.energy_std)


@pytest.mark.parametrize("before_saving", [False, True])
def test_a_run_killed_at_any_block_gives_the_same_bits(
    model, params, crystal, checked, free, tmp_path, monkeypatch, before_saving
):
    _, limit = first_record(observed(free, crystal)["BondLength"], after=14)
    settings = limited(checked, BondLength=limit)
    whole = run_md(model, params, crystal, settings)
    assert whole.stop_reason == "bond"
    save = Simulation.save
    for block in (0, 1):
        directory = tmp_path / str(block)
        left = [block]

        def save_or_die(simulation, left=left):
            left[0] -= 1
            if left[0] < 0 and before_saving:
                raise Killed
            save(simulation)
            if left[0] < 0:
                raise Killed

        monkeypatch.setattr(Simulation, "save", save_or_die)
        with pytest.raises(Killed):
            run_md(model, params, crystal, settings, checkpoint_dir=directory)
        monkeypatch.setattr(Simulation, "save", save)
        resumed = run_md(model, params, crystal, settings, checkpoint_dir=directory)
        assert_same_bits(resumed, whole)
        finished = run_md(model, params, crystal, settings, checkpoint_dir=directory)
        assert_same_bits(finished, whole)
    other = dataclasses.replace(settings, seed=1)
    with pytest.raises(ValueError, match="received one of another structure, model or settings"):
        run_md(model, params, crystal, other, checkpoint_dir=directory)


def test_the_device_works_on_the_next_block_while_the_host_has_one(
    model, params, crystal, checked, monkeypatch
):
    begun = []

    def observed_block(*args):
        begun.append(args)
        return run_block(*args)

    monkeypatch.setattr(simulation_module, "run_block", observed_block)
    simulation = Simulation(model, params, [Start(crystal)], checked)
    blocks = iter(simulation)
    for number in (2, 3):
        next(blocks)
        assert len(begun) == number


def test_other_numbers_and_more_blocks_need_no_other_program(model, params, crystal, checked):
    run_md(model, params, crystal, checked)
    programs = run_block._cache_size()
    changed = dataclasses.replace(
        limited(checked, MaxTemperature=1e8, BondLength=1e8),
        n_steps=200, friction_per_ps=3.0, temperature_k=10.0, timestep_fs=0.1, seed=5,
    )  # fmt: skip
    simulation = Simulation(model, params, [Start(crystal)], changed)
    assert sum(1 for _ in simulation) >= 10
    assert run_block._cache_size() == programs


def test_an_uncertainty_needs_an_ensemble(model, params, crystal):
    single = dataclasses.replace(model, config=dataclasses.replace(model.config, n_members=1))
    settings = MDSettings(checks=(MaxForceStd(0.1),))
    with pytest.raises(ValueError, match="of a model with one member, received MaxForceStd"):
        Simulation(single, params, [Start(crystal)], settings)


@pytest.mark.extensive
def test_a_model_in_float64_moves_in_float64_without_a_switch(
    model, params, crystal, checked, free
):
    config = dataclasses.replace(model.config, precision=Precision.double())
    double = dataclasses.replace(model, config=config)
    with jax.enable_x64(False):
        result = run_md(double, params, crystal, dataclasses.replace(checked, sample_every=2))
    assert result.positions.dtype == np.float64
    np.testing.assert_allclose(result.positions, free.positions, atol=1e-9)
