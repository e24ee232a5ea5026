import signal
import subprocess
import sys
import textwrap
import time

import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms

from nodes.dynamics.checks import EnergyDrop, MaxTemperature, NotFinite
from nodes.dynamics.integrators import (
    BerendsenNPT,
    Langevin,
    MtkNPT,
    VelocityRescaling,
    Verlet,
)
from nodes.dynamics.trajectory import RunMD, thermal_momenta
from nodes.long_runs import WalltimeError
from nodes.reference.calculators import AseCalculator, Emt

calls = {"left": None, "seconds": 0.0}


class Interrupted(EMT):
    """EMT that fails after a number of calculations, or takes its time."""

    def calculate(self, *arguments, **keywords):
        if calls["left"] is not None:
            calls["left"] -= 1
            if calls["left"] < 0:
                raise RuntimeError("lost")
        time.sleep(calls["seconds"])
        super().calculate(*arguments, **keywords)


INTERRUPTED = AseCalculator(f"{__name__}:Interrupted")


@pytest.fixture(autouse=True)
def no_interruption():
    calls.update(left=None, seconds=0.0)
    yield
    calls.update(left=None, seconds=0.0)


def copper():
    return ase.build.bulk("Cu", cubic=True)


def frames_of(task, *, scratch=None, seed=7, atoms=None):
    start = copper() if atoms is None else atoms
    return task(start, scratch=scratch, rng=np.random.default_rng(seed))


def assert_identical(frames, others):
    assert len(frames) == len(others)
    for frame, other in zip(frames, others, strict=True):
        assert frame.info == other.info
        np.testing.assert_array_equal(frame.positions, other.positions)
        np.testing.assert_array_equal(frame.get_momenta(), other.get_momenta())
        np.testing.assert_array_equal(frame.cell.array, other.cell.array)
        assert frame.get_potential_energy() == other.get_potential_energy()
        np.testing.assert_array_equal(frame.get_forces(), other.get_forces())


def test_frames_have_steps_results_and_momenta():
    start = copper()
    frames = frames_of(RunMD(Emt(), n_steps=25, timestep_fs=2.0, sample_interval=10), atoms=start)
    assert [frame.info["step"] for frame in frames] == [0, 10, 20]
    assert [frame.info["time_fs"] for frame in frames] == [0.0, 20.0, 40.0]
    assert {frame.info["stop_reason"] for frame in frames} == {""}
    for frame in frames:
        reference = frame.copy()
        reference.calc = EMT()
        assert frame.get_potential_energy() == pytest.approx(reference.get_potential_energy())
        np.testing.assert_allclose(frame.get_forces(), reference.get_forces(), atol=1e-10)
        assert frame.get_kinetic_energy() > 0
    assert start == copper()
    assert start.calc is None


@pytest.mark.parametrize(
    ("integrator", "pressure_gpa"),
    [
        (Verlet(), None),
        (Langevin(), None),
        (VelocityRescaling(), None),
        (BerendsenNPT(), 1.0),
        (MtkNPT(), 1.0),
    ],
)
def test_a_run_that_failed_goes_on_exactly(tmp_path, integrator, pressure_gpa):
    task = RunMD(
        INTERRUPTED, integrator, n_steps=100, timestep_fs=4.0, temperature_k=((0, 300), (100, 900)),
        pressure_gpa=pressure_gpa, sample_interval=7, checkpoint_interval=20,
    )  # fmt: skip
    whole = frames_of(task, scratch=tmp_path / "whole")
    calls["left"] = 71
    with pytest.raises(RuntimeError, match="lost"):
        frames_of(task, scratch=tmp_path / "part")
    calls["left"] = 45  # enough only if the first 60 steps are not done again
    again = frames_of(task, scratch=tmp_path / "part", seed=99)  # its numbers are in the checkpoint
    assert_identical(again, whole)
    calls["left"] = None
    assert_identical(frames_of(task), whole)  # without a folder too


def test_a_run_that_was_killed_goes_on_exactly(tmp_path):
    """Killed at step 700 of 1000, the run gives the frames of one that was not."""
    code = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        import ase.build, numpy as np
        from nodes.dynamics import trajectory
        from nodes.dynamics.trajectory import RunMD
        from nodes.reference.calculators import Emt

        look = trajectory._Run._look
        def deadly(run):
            look(run)
            if run.step == 700:
                os.kill(os.getpid(), signal.SIGKILL)
        trajectory._Run._look = deadly
        task = RunMD(Emt(), n_steps=1000, sample_interval=50, checkpoint_interval=300)
        atoms = ase.build.bulk("Cu", cubic=True)
        task(atoms, Path(sys.argv[1]), np.random.default_rng(7))
    """)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    task = RunMD(INTERRUPTED, n_steps=1000, sample_interval=50, checkpoint_interval=300)
    calls["left"] = 401  # from step 600 on
    again = frames_of(task, scratch=tmp_path)
    calls["left"] = None
    assert_identical(again, frames_of(task))


def test_a_run_stops_before_the_job_ends_and_goes_on(tmp_path, monkeypatch):
    task = RunMD(INTERRUPTED, n_steps=60, sample_interval=5, checkpoint_interval=10)
    whole = frames_of(task)
    calls["seconds"] = 0.01
    monkeypatch.setenv("ZN_DEADLINE", str(time.time() + 10.4))
    with pytest.raises(
        WalltimeError, match=r"step 60 must be reached .* received only \d+"
    ) as late:
        frames_of(task, scratch=tmp_path)
    assert late.value.failure_kind == "timeout"
    calls["seconds"] = 0.0
    monkeypatch.delenv("ZN_DEADLINE")
    calls["left"] = 55
    assert_identical(frames_of(task, scratch=tmp_path), whole)


def test_every_attempt_makes_progress_even_when_there_is_no_time(tmp_path, monkeypatch):
    monkeypatch.setenv("ZN_DEADLINE", "0")
    task = RunMD(Emt(), n_steps=3, sample_interval=1, checkpoint_interval=100)
    for _ in range(2):
        with pytest.raises(WalltimeError):
            frames_of(task, scratch=tmp_path)
    assert [frame.info["step"] for frame in frames_of(task, scratch=tmp_path)] == [0, 1, 2, 3]


@pytest.mark.extensive
def test_many_frames_are_kept_in_files(tmp_path):
    task = RunMD(INTERRUPTED, Verlet(), n_steps=600, sample_interval=1, checkpoint_interval=100)
    calls["left"] = 580
    with pytest.raises(RuntimeError, match="lost"):
        frames_of(task, scratch=tmp_path)
    calls["left"] = None
    assert_identical(frames_of(task, scratch=tmp_path), frames_of(task))


def test_a_damaged_checkpoint_is_as_none(tmp_path):
    task = RunMD(Emt(), n_steps=20, checkpoint_interval=10)
    whole = frames_of(task, scratch=tmp_path)
    (path,) = tmp_path.glob("*.npz")
    path.write_bytes(path.read_bytes()[:100])
    assert_identical(frames_of(task, scratch=tmp_path), whole)


def test_a_checkpoint_belongs_to_one_start(tmp_path):
    task = RunMD(Emt(), n_steps=20, checkpoint_interval=10)
    other = copper() * (2, 1, 1)
    frames_of(task, scratch=tmp_path)
    assert len(frames_of(task, scratch=tmp_path, atoms=other)[0]) == 8


def test_the_triggering_frame_is_kept_with_the_reason():
    task = RunMD(
        Emt(), Verlet(), n_steps=50, temperature_k=300.0, sample_interval=20, timestep_fs=4.0,
        checks=(NotFinite(), MaxTemperature(200.0)), check_interval=3,
    )  # fmt: skip
    hot = copper()
    hot.rattle(0.1, seed=1)
    frames = frames_of(task, atoms=hot)
    last = frames[-1].info
    assert last["stop_reason"].startswith("MaxTemperature: temperature of ")
    assert last["temperature_k"] > 200.0
    assert last["step"] % 3 == 0
    assert last["step"] < 50
    assert all(frame.info["stop_reason"] == "" for frame in frames[:-1])


def test_a_stopped_run_stays_stopped(tmp_path):
    task = RunMD(
        Emt(), n_steps=50, checks=(MaxTemperature(1.0),), sample_interval=1, check_interval=10,
        checkpoint_interval=10, keep_velocities=True,
    )  # fmt: skip
    cold = copper()
    cold.set_momenta(np.zeros((4, 3)))
    first = frames_of(task, scratch=tmp_path, atoms=cold)
    assert first[-1].info["step"] == 10
    assert_identical(frames_of(task, scratch=tmp_path, atoms=cold), first)


@pytest.mark.parametrize("swapped", [False, True])
def test_checks_are_fresh_for_every_trajectory(swapped):
    """A stretched crystal has a high energy; the relaxed one after it must not count as a drop."""
    task = RunMD(Emt(), n_steps=5, temperature_k=1.0, checks=(EnergyDrop(0.05),))
    stretched = copper()
    stretched.set_cell(stretched.cell * 1.1, scale_atoms=True)
    starts = [copper(), stretched]
    for atoms in reversed(starts) if swapped else starts:
        assert frames_of(task, atoms=atoms)[-1].info["stop_reason"] == ""


def test_nan_stops_the_run():
    class Broken(EMT):
        def calculate(self, *arguments, **keywords):
            super().calculate(*arguments, **keywords)
            self.results["forces"][0, 0] = np.nan

    class Spec:
        def get_calculator(self, directory=None):
            return Broken()

    frames = frames_of(RunMD(Spec(), n_steps=50))
    assert len(frames) == 1
    assert frames[0].info["stop_reason"].startswith("NotFinite: ")


def test_velocities_are_kept_or_drawn():
    moving = copper()
    moving.set_momenta(np.arange(12.0).reshape(4, 3))
    (kept,) = frames_of(RunMD(Emt(), n_steps=0, keep_velocities=True), atoms=moving)
    np.testing.assert_array_equal(kept.get_momenta(), moving.get_momenta())
    (drawn,) = frames_of(RunMD(Emt(), n_steps=0), atoms=moving)
    assert not np.allclose(drawn.get_momenta(), moving.get_momenta())
    with pytest.raises(ValueError, match="structures must have momenta with keep_velocities=True"):
        frames_of(RunMD(Emt(), keep_velocities=True))


def test_thermal_momenta_have_the_temperature_and_no_drift():
    atoms = copper() * (6, 6, 6)
    atoms.set_momenta(thermal_momenta(atoms, 500.0, np.random.default_rng(0)))
    assert atoms.get_temperature() == pytest.approx(500.0, rel=0.05)
    np.testing.assert_allclose(atoms.get_momenta().sum(axis=0), 0.0, atol=1e-9)


def test_fixed_atoms_stay():
    slab = copper()
    slab.set_constraint(FixAtoms([1, 2]))
    frames = frames_of(RunMD(Emt(), n_steps=20, temperature_k=900.0), atoms=slab)
    np.testing.assert_array_equal(frames[-1].positions[[1, 2]], slab.positions[[1, 2]])
    assert not np.allclose(frames[-1].positions[0], slab.positions[0])


def test_the_temperature_follows_its_knots():
    ramp = RunMD(Emt(), temperature_k=((100, 300.0), (200, 500.0)))
    assert [ramp.temperature_at(step) for step in (0, 100, 150, 200, 999)] == [
        300.0, 300.0, 400.0, 500.0, 500.0,
    ]  # fmt: skip
    assert RunMD(Emt(), temperature_k=250.0).temperature_at(3) == 250.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"timestep_fs": 0.0}, "timestep_fs must be positive, received 0.0"),
        ({"sample_interval": 0}, "sample_interval must be positive, received 0"),
        ({"n_steps": -1}, "n_steps must be 0 or more, received -1"),
        ({"pressure_gpa": 1.0}, "pressure_gpa must be None for Langevin, received 1.0"),
        ({"integrator": MtkNPT()}, "pressure_gpa must be a number for MtkNPT, received None"),
        ({"temperature_k": -1.0}, "temperature_k must be 0 or more"),
        ({"temperature_k": ((5, 1.0), (5, 2.0))}, "ascending steps"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        RunMD(Emt(), **settings)


def test_a_molecule_has_no_pressure():
    with pytest.raises(ValueError, match="structures must be periodic and without constraints"):
        frames_of(RunMD(Emt(), MtkNPT(), pressure_gpa=0.0), atoms=ase.build.molecule("H2O"))


def test_momenta_count_only_when_they_are_used():
    assert "momenta" not in RunMD(Emt()).reads
    reads = RunMD(Emt(), keep_velocities=True).reads
    assert {"momenta", "constraints", "masses", "info.replica"} <= set(reads)


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames_of(RunMD(Emt(), n_steps=20, checkpoint_interval=5))
    assert list(tmp_path.iterdir()) == []
