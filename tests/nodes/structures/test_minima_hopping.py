import dataclasses
import itertools
import tempfile
from pathlib import Path
from typing import ClassVar

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, CalculatorError, all_changes
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms

import zn_pipeline as zn
from nodes.reference.calculators import Emt
from nodes.structures.minima_hopping import (
    HopSettings,
    MinimaHopping,
    MinimaWalk,
    sorted_distances,
)


class Cluster(Calculator):
    """Lennard-Jones of all pairs, without cutoff; epsilon is 1 eV, sigma 1 Angstrom."""

    implemented_properties: ClassVar = ["energy", "forces"]

    def __init__(self, fail_after=None):
        super().__init__()
        self.calls, self.fail_after = 0, fail_after

    def calculate(self, atoms=None, properties=(), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        if self.fail_after is not None and self.calls > self.fail_after:
            raise KeyboardInterrupt
        vectors = atoms.positions[:, None] - atoms.positions[None]
        squares = (vectors**2).sum(axis=-1) + np.diag(np.full(len(atoms), np.inf))
        sixth = squares**-3
        self.results["energy"] = 2.0 * float((sixth**2 - sixth).sum())
        slopes = 24.0 * (2.0 * sixth**2 - sixth) / squares
        self.results["forces"] = (slopes[..., None] * vectors).sum(axis=1)


@dataclasses.dataclass(frozen=True)
class ClusterSpec:
    fail_after: int | None = None

    def get_calculator(self, directory=None):
        return Cluster(self.fail_after)


@dataclasses.dataclass(frozen=True)
class Fragile:
    """Works until the atoms are hot."""

    def get_calculator(self, directory=None):
        return _Fragile()


class _Fragile(EMT):
    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        if atoms.get_kinetic_energy() > 0:
            raise CalculatorError("does not converge")
        super().calculate(atoms, properties, system_changes)


SETTINGS = {
    "temperature_k": 2000.0,
    "energy_window_ev": 1.0,
    "timestep_fs": 0.2,
    "max_md_steps": 200,
    "max_relax_steps": 400,
    "max_force_ev_per_angstrom": 0.02,
}


def heptamer(seed=0):
    """Seven atoms of mass 1 u at random."""
    rng = np.random.default_rng(seed)
    return Atoms("H7", positions=rng.uniform(0.0, 2.2, (7, 3)))


def settings(**changed):
    defaults = {
        field.name: MinimaHopping(structures=[], calculator=None).__dict__[field.name]
        for field in dataclasses.fields(HopSettings)
    }
    return HopSettings(**{**defaults, **SETTINGS, **changed})


def run(walk, structure, *, seed, folder=None):
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) if folder is None else folder
        return walk(structure, rng=np.random.default_rng(seed), scratch=place)


@pytest.fixture(scope="module")
def long_walk():
    return run(MinimaWalk(ClusterSpec(), settings(n_steps=30)), heptamer(), seed=1)


@pytest.mark.slow
def test_minima_of_the_cluster_of_seven_are_found(long_walk):
    """It has four: energies from D. Wales and J. Doye, J. Phys. Chem. A 101, 5111 (1997)."""
    known = np.array([-16.505, -15.935, -15.593, -15.533])
    found = np.array([minimum.get_potential_energy() for minimum in long_walk["minima"]])
    hit = np.abs(known[:, None] - found[None]) < 3e-3
    assert hit[0].sum() == 1
    assert hit.any(axis=1).sum() >= 2
    assert hit.sum(axis=1).max() == 1
    for minimum in long_walk["minima"]:
        assert np.linalg.norm(minimum.get_forces(), axis=1).max() <= 0.02


@pytest.mark.slow
def test_temperature_and_window_follow_the_outcomes(long_walk):
    log = long_walk["log"]
    for before, after in itertools.pairwise(log):
        heat = after["temperature_k"] / before["temperature_k"]
        window = after["energy_window_ev"] / before["energy_window_ev"]
        outcome = before["outcome"]
        new = outcome == "accepted" or (outcome == "rejected" and before["minimum"] == -1)
        assert heat == pytest.approx({"failed": 1.0}.get(outcome, 1 / 1.1 if new else 1.1))
        expected = {"accepted": 0.98, "known": 0.98, "rejected": 1 / 0.98}
        assert window == pytest.approx(expected.get(outcome, 1.0))
    assert [entry["hop"] for entry in log] == list(range(1, 31))
    assert {"same", "known", "accepted"} <= {entry["outcome"] for entry in log}


@pytest.mark.parametrize("calls", [5, 100, 400])
def test_a_killed_walk_goes_on_and_comes_to_the_same_minima(calls, tmp_path):
    whole = run(MinimaWalk(ClusterSpec(), settings(n_steps=3)), heptamer(), seed=5)
    killed = MinimaWalk(ClusterSpec(fail_after=calls), settings(n_steps=3))
    with pytest.raises(KeyboardInterrupt):
        run(killed, heptamer(), seed=5, folder=tmp_path)
    again = MinimaWalk(ClusterSpec(), settings(n_steps=3))
    resumed = run(again, heptamer(), seed=5, folder=tmp_path)
    assert resumed["log"] == whole["log"]
    for one, other in zip(resumed["minima"], whole["minima"], strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.get_forces(), other.get_forces())
        assert one.get_potential_energy() == other.get_potential_energy()
        assert one.info == other.info


def test_a_killed_walk_does_not_begin_anew(tmp_path):
    class Counting(ClusterSpec):
        made: ClassVar[list[Cluster]] = []

        def get_calculator(self, directory=None):
            self.made.append(super().get_calculator())
            return self.made[-1]

    run(MinimaWalk(Counting(), settings(n_steps=2)), heptamer(), seed=5, folder=tmp_path)
    run(MinimaWalk(Counting(), settings(n_steps=3)), heptamer(), seed=5, folder=tmp_path)
    first, second = Counting.made
    assert 0 < second.calls < first.calls


def test_a_walk_of_a_crystal_with_fixed_atoms():
    slab = ase.build.fcc100("Cu", (2, 2, 2), vacuum=6.0)
    ase.build.add_adsorbate(slab, "Al", 1.8, "hollow")
    slab.pbc = (True, True, False)
    slab.set_constraint(FixAtoms(range(8)))
    node = MinimaHopping(structures=[slab], calculator=Emt(), n_steps=3, timestep_fs=3.0)
    before = slab.copy()
    node.run()
    assert slab == before
    for frame in node.frames:
        np.testing.assert_array_equal(frame.positions[:8], slab.positions[:8])
        assert len(frame.constraints) == 1
    assert len(node.log) == 3


def test_a_calculator_that_fails_costs_a_step_only():
    cluster = Atoms("Cu3", positions=[(0, 0, 0), (2.3, 0, 0), (1.1, 2.0, 0)])
    node = MinimaHopping(structures=[cluster], calculator=Fragile(), n_steps=2)
    node.run()
    assert node.log["outcome"].tolist() == ["failed", "failed"]
    assert len(node.frames) == 1


def test_walks_are_independent_of_each_other():
    pair, trio = heptamer(1)[:4], heptamer(2)[:5]
    fields = {"calculator": ClusterSpec(), "n_steps": 2, **SETTINGS, "seed": 4}
    alone = MinimaHopping(structures=[trio], **fields)
    among = MinimaHopping(structures=[pair, trio], **fields)
    for node in (alone, among):
        node.run()
    own = [frame for frame in among.frames if frame.info["walk"] == 1]
    for one, other in zip(alone.frames, own, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)


def test_sorted_distances_do_not_see_position_direction_and_order():
    molecule = ase.build.molecule("CH3CH2OH")
    other = molecule[[8, 7, 6, 5, 4, 3, 2, 1, 0]]
    other.rotate(50, (1, 2, 3))
    other.translate((1, 1, 1))
    np.testing.assert_allclose(sorted_distances(molecule), sorted_distances(other), atol=1e-9)
    other.positions[0] += 0.3
    assert np.abs(sorted_distances(molecule) - sorted_distances(other)).max() > 0.1


def test_unusable_input_is_refused():
    fields = {"structures": [heptamer()], "calculator": ClusterSpec()}
    with pytest.raises(ValueError, match=r"MinimaHopping\.n_steps must be at least 1"):
        MinimaHopping(**fields, n_steps=0).run()
    with pytest.raises(ValueError, match=r"MinimaHopping\.timestep_fs must be positive"):
        MinimaHopping(**fields, timestep_fs=0.0).run()
    with pytest.raises(zn.MapFailedError, match=r"MinimaHopping\.structures must relax .* H7"):
        MinimaHopping(**fields, max_relax_steps=2).run()


def test_the_node_keeps_the_contract():
    cluster = Atoms("Cu4", positions=[(0, 0, 0), (2.3, 0, 0), (1.1, 2.0, 0), (1.1, 0.6, 2.0)])
    zn.testing.check_node(MinimaHopping, structures=[cluster], calculator=Emt(), n_steps=2)
