import signal
import subprocess
import sys
import textwrap
import time

import ase.build
import numpy as np
import pytest
from ase import units
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.spacegroup.symmetrize import check_symmetry

from nodes.long_runs import WalltimeError
from nodes.reference.calculators import AseCalculator, Emt
from nodes.relaxation.relax import Relax, RelaxationError

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


class Broken(EMT):
    """EMT with forces that are not finite."""

    def calculate(self, *arguments, **keywords):
        super().calculate(*arguments, **keywords)
        self.results["forces"][0, 0] = np.nan


INTERRUPTED = AseCalculator(f"{__name__}:Interrupted")
CELL = {"relax_cell": "full", "fmax_ev_per_angstrom": 1e-4, "smax_gpa": 0.01}


@pytest.fixture(autouse=True)
def no_interruption():
    calls.update(left=None, seconds=0.0)
    yield
    calls.update(left=None, seconds=0.0)


def rattled(seed=4, stdev=0.15, repeat=(2, 1, 1)):
    atoms = ase.build.bulk("Cu", cubic=True).repeat(repeat)
    atoms.rattle(stdev, seed=seed)
    return atoms


def assert_identical(frames, others):
    assert len(frames) == len(others)
    for frame, other in zip(frames, others, strict=True):
        assert frame.info == other.info
        np.testing.assert_array_equal(frame.positions, other.positions)
        np.testing.assert_array_equal(frame.cell.array, other.cell.array)
        assert frame.get_potential_energy() == other.get_potential_energy()
        np.testing.assert_array_equal(frame.get_forces(), other.get_forces())


def test_the_relaxed_structure_has_small_forces_and_says_so():
    start = rattled()
    relaxed = Relax(Emt(), fmax_ev_per_angstrom=0.01)(start)
    check = relaxed.copy()
    check.calc = EMT()
    largest = np.linalg.norm(check.get_forces(), axis=1).max()
    assert largest <= 0.01
    assert relaxed.info["converged"] is True
    assert relaxed.info["step"] > 1
    assert relaxed.info["max_force_ev_per_angstrom"] == pytest.approx(largest)
    assert relaxed.get_potential_energy() == pytest.approx(check.get_potential_energy())
    assert start == rattled()
    assert start.calc is None


def test_nothing_is_printed(capfd):
    Relax(Emt(), keep_symmetry=True, **CELL)(ase.build.bulk("Cu", cubic=True))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("optimizer", "relax_cell"),
    [
        ("LBFGS", "none"), ("LBFGS", "full"), ("FIRE", "isotropic"), ("BFGS", "full"),
        ("PreconLBFGS", "none"), ("PreconLBFGS", "full"),
    ],
)  # fmt: skip
def test_a_relaxation_that_failed_goes_on_exactly(tmp_path, optimizer, relax_cell):
    task = Relax(
        INTERRUPTED, optimizer=optimizer, relax_cell=relax_cell, fmax_ev_per_angstrom=1e-5,
        smax_gpa=1e-3, max_steps=20, keep="trajectory", checkpoint_interval=4,
    )  # fmt: skip
    calls["left"] = 10**6
    whole = task(rattled(), scratch=tmp_path / "whole")
    used = 10**6 - calls["left"]
    calls["left"] = used - 5
    with pytest.raises(RuntimeError, match="lost"):
        task(rattled(), scratch=tmp_path / "part")
    calls["left"] = 20  # enough only if the first steps are not done again
    again = task(rattled(), scratch=tmp_path / "part")
    assert len(whole) == 21
    assert used > 20
    assert_identical(again, whole)


def test_a_preconditioned_relaxation_goes_on_exactly(tmp_path):
    task = Relax(
        INTERRUPTED, optimizer="PreconLBFGS", max_steps=8, keep="trajectory", checkpoint_interval=3
    )
    start = rattled(repeat=(5, 5, 1), stdev=0.05)
    whole = task(start, scratch=tmp_path / "whole")
    calls["left"] = 9
    with pytest.raises(RuntimeError, match="lost"):
        task(start, scratch=tmp_path / "part")
    calls["left"] = None
    assert_identical(task(start, scratch=tmp_path / "part"), whole)


def test_a_relaxation_that_was_killed_goes_on_exactly(tmp_path):
    code = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        import ase.build
        from nodes.relaxation import relax
        from nodes.reference.calculators import Emt

        look = relax._Run._is_converged
        def deadly(run):
            if run.step == 14:
                os.kill(os.getpid(), signal.SIGKILL)
            return look(run)
        relax._Run._is_converged = deadly
        atoms = ase.build.bulk("Cu", cubic=True).repeat((2, 1, 1))
        atoms.rattle(0.15, seed=4)
        task = relax.Relax(Emt(), 1e-4, checkpoint_interval=6, keep="trajectory")
        task(atoms, Path(sys.argv[1]))
    """)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    task = Relax(INTERRUPTED, 1e-4, checkpoint_interval=6, keep="trajectory")
    whole = task(rattled())
    n_steps = whole[-1].info["step"]
    assert n_steps > 14
    calls["left"] = (n_steps - 12) + 1 + (n_steps - 12) // 6
    assert_identical(task(rattled(), scratch=tmp_path), whole)


def test_a_relaxation_stops_before_the_job_ends_and_goes_on(tmp_path, monkeypatch):
    task = Relax(INTERRUPTED, 1e-4, checkpoint_interval=100)
    whole = task(rattled())
    monkeypatch.setenv("ZN_DEADLINE", str(time.time() + 10.2))
    calls["seconds"] = 0.03
    with pytest.raises(WalltimeError, match="step 500 must be reached"):
        task(rattled(), scratch=tmp_path)
    monkeypatch.delenv("ZN_DEADLINE")
    calls["seconds"] = 0.0
    again = task(rattled(), scratch=tmp_path)  # reset in between: equal within rounding
    assert again.info["step"] == whole.info["step"]
    np.testing.assert_allclose(again.positions, whole.positions, atol=1e-8)


def test_the_cell_relaxes_to_the_lattice_constant_of_the_potential():
    """EMT copper has its minimum at 3.59 Angstrom (Jacobsen, Stoltze, Norskov 1996)."""
    relaxed = Relax(Emt(), **CELL)(ase.build.bulk("Cu", "fcc", a=3.8))
    scan = np.linspace(3.55, 3.65, 21)
    energies = []
    for a in scan:
        atoms = ase.build.bulk("Cu", "fcc", a=a)
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy())
    best = np.roots(np.polyder(np.polyfit(scan, energies, 4)))
    best = best[np.isreal(best) & (abs(best - 3.6) < 0.06)].real[0]
    assert (4 * relaxed.get_volume()) ** (1 / 3) == pytest.approx(best, abs=2e-3)


@pytest.mark.parametrize("relax_cell", ["isotropic", "full"])
def test_a_cell_under_pressure_ends_at_that_pressure(relax_cell):
    relaxed = Relax(Emt(), pressure_gpa=5.0, **(CELL | {"relax_cell": relax_cell}))(
        ase.build.bulk("Cu", cubic=True)
    )
    relaxed.calc = EMT()
    assert -relaxed.get_stress()[:3].mean() / units.GPa == pytest.approx(5.0, abs=0.02)


def test_isotropic_keeps_the_shape_and_full_does_not():
    start = ase.build.bulk("Cu", cubic=True)
    start.set_cell(start.cell.array * [[1.0], [1.0], [1.05]], scale_atoms=True)
    kept = Relax(Emt(), **(CELL | {"relax_cell": "isotropic"}))(start).cell.lengths()
    assert kept[2] / kept[0] == pytest.approx(1.05)
    free = Relax(Emt(), **CELL)(start).cell.lengths()
    assert free[2] / free[0] == pytest.approx(1.0, abs=1e-3)


def test_symmetry_is_kept_when_asked_for():
    start = ase.build.bulk("Cu", "hcp", a=2.5, c=4.3)
    relaxed = Relax(Emt(), keep_symmetry=True, **CELL)(start)
    assert check_symmetry(relaxed, 1e-4).number == 194
    assert relaxed.constraints == []
    assert relaxed.info["converged"]


def test_a_constraint_holds_and_stays_on_the_result():
    start = rattled()
    start.set_constraint(FixAtoms([0]))
    relaxed = Relax(Emt())(start)
    np.testing.assert_array_equal(relaxed.positions[0], start.positions[0])
    assert [type(constraint) for constraint in relaxed.constraints] == [FixAtoms]


def test_what_does_not_converge_is_flagged_left_out_or_a_failure():
    flagged = Relax(Emt(), max_steps=2)(rattled())
    assert flagged.info["converged"] is False
    assert flagged.info["step"] == 2
    assert Relax(Emt(), max_steps=2, keep="last_converged")(rattled()) is None
    assert Relax(Emt(), keep="last_converged")(rattled()).info["converged"]
    with pytest.raises(RelaxationError, match=r"converge to 0.05 eV/Angstrom within 2 steps, rec"):
        Relax(Emt(), max_steps=2, if_not_converged="fail")(rattled())


def test_a_trajectory_goes_from_start_to_end():
    frames = Relax(Emt(), keep="trajectory")(rattled())
    assert [frame.info["step"] for frame in frames] == list(range(len(frames)))
    np.testing.assert_array_equal(frames[0].positions, rattled().positions)
    assert [frame.info["converged"] for frame in frames[-2:]] == [False, True]
    energies = [frame.get_potential_energy() for frame in frames]
    assert energies[-1] == min(energies)


def test_a_structure_at_rest_takes_no_step():
    relaxed = Relax(Emt())(ase.build.bulk("Cu", cubic=True))
    assert relaxed.info["step"] == 0
    assert relaxed.info["converged"]


def test_nan_is_a_failure():
    with pytest.raises(RelaxationError, match="forces must be finite, received NaN"):
        Relax(AseCalculator(f"{__name__}:Broken"))(rattled())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "CG"}, "optimizer must be one of LBFGS, FIRE, BFGS, PreconLBFGS, rec"),
        ({"relax_cell": "shape"}, "relax_cell must be one of none, isotropic, full, received"),
        ({"keep": "first"}, "keep must be one of last, trajectory, last_converged, received"),
        ({"if_not_converged": "retry"}, "if_not_converged must be one of flag, fail, received"),
        ({"fmax_ev_per_angstrom": 0.0}, "fmax_ev_per_angstrom must be positive, received 0.0"),
        ({"smax_gpa": -1.0}, "smax_gpa must be positive, received -1.0"),
        ({"max_steps": -1}, "max_steps must be 0 or more, received -1"),
        ({"pressure_gpa": 1.0}, "pressure_gpa must be 0 for a fixed cell, received 1.0"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        Relax(Emt(), **settings)


def test_a_molecule_has_no_cell_to_relax():
    with pytest.raises(ValueError, match="structures must be periodic along all axes"):
        Relax(Emt(), relax_cell="full")(ase.build.molecule("H2O"))
