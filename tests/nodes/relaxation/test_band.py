import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from ase.build import add_adsorbate, fcc100, molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixedPlane
from ase.mep import NEBTools
from ase.optimize import BFGS

from nodes.long_runs import WalltimeError
from nodes.reference.calculators import AseCalculator, Emt
from nodes.relaxation.band import RelaxBand, check_band
from nodes.relaxation.relax import Relax, RelaxationError

calls = {"left": None, "made": 0, "seconds": 0.0}


class Interrupted(EMT):
    """EMT that fails after a number of calculations, or takes its time."""

    def __init__(self):
        super().__init__()
        calls["made"] += 1

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
        self.results["forces"][-1, 0] = np.nan


INTERRUPTED = AseCalculator(f"{__name__}:Interrupted")


@pytest.fixture(autouse=True)
def no_interruption():
    calls.update(left=None, made=0, seconds=0.0)
    yield
    calls.update(left=None, made=0, seconds=0.0)


def gold_on_aluminium(shift=0.0):
    """Au on Al(100), the example of ASE's tutorial, two layers of it fixed."""
    slab = fcc100("Al", size=(2, 2, 3))
    add_adsorbate(slab, "Au", 1.7, "hollow")
    slab.center(axis=2, vacuum=4.0)
    slab.info.clear()
    slab[-1].x += shift * slab.cell[0, 0]
    slab.set_constraint(FixAtoms(mask=slab.get_tags() > 1))
    return slab


@pytest.fixture(scope="module")
def ends():
    relax = Relax(Emt(), fmax_ev_per_angstrom=0.01)
    return [relax(gold_on_aluminium()), relax(gold_on_aluminium(0.5))]


@pytest.fixture(scope="module")
def bridge_energy():
    """Energy of the saddle point, which symmetry places half way: no band is needed."""
    slab = gold_on_aluminium(0.25)
    slab.set_constraint([*slab.constraints, FixedPlane(len(slab) - 1, (1, 0, 0))])
    slab.calc = EMT()
    BFGS(slab, logfile=None).run(fmax=0.005, steps=200)
    return slab.get_potential_energy()


def energies_of(images):
    return np.array([image.get_potential_energy() for image in images])


@pytest.mark.parametrize("optimizer", ["FIRE", "LBFGS", "BFGS"])
def test_the_barrier_is_that_of_the_bridge_site(ends, bridge_energy, optimizer):
    """0.374 eV, as in the tutorial of ASE."""
    images = RelaxBand(Emt(), n_images=3, fmax_ev_per_angstrom=0.02, optimizer=optimizer)(ends)
    energies = energies_of(images)
    assert len(images) == 5
    assert energies.max() == pytest.approx(bridge_energy, abs=2e-3)
    assert energies.max() - energies[0] == pytest.approx(0.374, abs=2e-3)
    assert NEBTools(images).get_barrier(fit=False)[0] == pytest.approx(energies[2] - energies[0])
    assert NEBTools(images).get_fmax(
        k=0.1, climb=True, method="improvedtangent", allow_shared_calculator=True
    ) == pytest.approx(0.0, abs=0.021)
    assert all(image.info["converged"] for image in images)
    assert [image.info["image"] for image in images] == [0, 1, 2, 3, 4]


def test_forces_are_those_of_the_calculator_and_the_input_is_untouched(ends):
    before = [end.copy() for end in ends]
    images = RelaxBand(Emt(), n_images=2, max_steps=3)(ends)
    for image in images:
        reference = image.copy()
        reference.calc = EMT()
        np.testing.assert_allclose(
            image.get_forces(apply_constraint=False),
            reference.get_forces(apply_constraint=False),
            atol=1e-9,
        )
        assert image.info["converged"] is False
        assert image.info["step"] == 3
    assert ends == before
    np.testing.assert_array_equal(images[0].positions, ends[0].positions)
    np.testing.assert_array_equal(images[-1].positions, ends[1].positions)


def test_calculators_are_shared_when_asked_for(ends):
    own = RelaxBand(INTERRUPTED, n_images=3, max_steps=2)(ends)
    assert calls["made"] == 5
    calls["made"] = 0
    shared = RelaxBand(INTERRUPTED, n_images=3, max_steps=2, share_calculator=True)(ends)
    assert calls["made"] == 1
    np.testing.assert_allclose(energies_of(own), energies_of(shared), atol=1e-9)


def test_given_images_are_where_it_starts(ends):
    first = RelaxBand(Emt(), n_images=3, fmax_ev_per_angstrom=0.02)(ends)
    again = RelaxBand(Emt(), fmax_ev_per_angstrom=0.03)(first)
    assert again[0].info["step"] == 0
    np.testing.assert_array_equal(again[2].positions, first[2].positions)


def test_interpolation_keeps_atoms_apart():
    one = molecule("C2H6")
    one.center(3.0)
    two = one.copy()
    two.rotate(120, "z", center="COM")  # hydrogens would pass close to the axis
    images = {
        name: RelaxBand(Emt(), n_images=1, interpolation=name, max_steps=0)._path([one, two])[1]
        for name in ("linear", "idpp")
    }
    shortest = {name: np.sort(image.get_all_distances()[0])[2] for name, image in images.items()}
    assert shortest["linear"] < 0.8
    assert shortest["idpp"] > 0.95


@pytest.mark.parametrize("share", [False, True])
def test_a_band_that_failed_goes_on_exactly(tmp_path, ends, share):
    task = RelaxBand(
        INTERRUPTED, n_images=2, fmax_ev_per_angstrom=0.01, max_steps=24, checkpoint_interval=8,
        share_calculator=share,
    )  # fmt: skip
    whole = task(ends, scratch=tmp_path / "whole")
    calls["left"] = 2 + 2 * 20
    with pytest.raises(RuntimeError, match="lost"):
        task(ends, scratch=tmp_path / "part")
    calls["left"] = 2 * 11  # enough only from step 16 on, the ends not computed again
    again = task(ends, scratch=tmp_path / "part")
    assert whole[0].info["step"] == 24
    for one, other in zip(again, whole, strict=True):
        assert one.info == other.info
        np.testing.assert_array_equal(one.positions, other.positions)
        assert one.get_potential_energy() == other.get_potential_energy()


def test_a_band_that_was_killed_goes_on(tmp_path, ends):
    code = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        import zn_pipeline as zn
        from nodes.relaxation import band
        from nodes.reference.calculators import Emt

        saved = band._Run._save
        def deadly(run):
            saved(run)
            if run.step == 10:
                os.kill(os.getpid(), signal.SIGKILL)
        band._Run._save = deadly
        ends = list(zn.Frames.from_file(sys.argv[1]))
        band.RelaxBand(Emt(), n_images=2, checkpoint_interval=5)(ends, Path(sys.argv[2]))
    """)
    import zn_pipeline as zn

    zn.write_frames(tmp_path / "ends.h5", ends)
    command = [sys.executable, "-c", code, str(tmp_path / "ends.h5"), str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    task = RelaxBand(INTERRUPTED, n_images=2, checkpoint_interval=5)
    whole = task(ends)
    calls["left"] = 2 * (whole[0].info["step"] - 10) * 6 // 5 + 4
    again = task(ends, scratch=tmp_path)
    np.testing.assert_array_equal(energies_of(again), energies_of(whole))


def test_a_band_stops_before_the_job_ends(tmp_path, ends, monkeypatch):
    monkeypatch.setenv("ZN_DEADLINE", "0")
    with pytest.raises(WalltimeError, match="step 500 must be reached"):
        RelaxBand(Emt(), n_images=1)(ends, scratch=tmp_path)


def test_nan_is_a_failure(ends):
    with pytest.raises(RelaxationError, match="forces must be finite, received NaN"):
        RelaxBand(AseCalculator(f"{__name__}:Broken"), n_images=1)(ends)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "spline"}, "method must be one of improvedtangent, eb, aseneb, received"),
        ({"interpolation": "cubic"}, "interpolation must be one of idpp, linear, received"),
        ({"optimizer": "PreconLBFGS"}, "optimizer must be one of FIRE, LBFGS, BFGS, received"),
        ({"n_images": 0}, "n_images must be positive, received 0"),
        ({"spring_ev_per_angstrom2": -1.0}, "spring_ev_per_angstrom2 must be positive"),
        ({"max_steps": -1}, "max_steps must be 0 or more, received -1"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        RelaxBand(Emt(), **settings)


def test_images_must_belong_together():
    water = molecule("H2O")
    with pytest.raises(ValueError, match="at least its two ends, received 1 images"):
        check_band([water])
    with pytest.raises(ValueError, match=r"same elements in the same order, .* in image 1"):
        check_band([water, water[[1, 0, 2]]])
    moved = water.copy()
    moved.set_cell([9, 9, 9])
    with pytest.raises(ValueError, match="one cell, received another one in image 1"):
        check_band([water, moved])
