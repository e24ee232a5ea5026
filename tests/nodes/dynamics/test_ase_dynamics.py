import os

import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT

import zn_pipeline as zn
from nodes.dynamics.ase_dynamics import AseMD
from nodes.dynamics.checks import EnergyDrop, MaxTemperature
from nodes.dynamics.integrators import MtkNPT, Verlet
from nodes.dynamics.trajectory import RunMD
from nodes.reference.calculators import AseCalculator, Emt
from nodes.relaxation.relax import Relax


class Fussy(EMT):
    """EMT that knows copper only."""

    def calculate(self, atoms=None, *arguments, **keywords):
        if (atoms.numbers != 29).any():
            raise RuntimeError("not copper")
        super().calculate(atoms, *arguments, **keywords)


class Fragile(EMT):
    """EMT that fails after as many calculations as the environment says."""

    count = 0

    def calculate(self, *arguments, **keywords):
        self.count += 1
        if self.count > int(os.environ["CALCULATIONS"]):
            raise RuntimeError("lost")
        super().calculate(*arguments, **keywords)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def crystal(symbol="Cu", **info):
    atoms = ase.build.bulk(symbol, cubic=True)
    atoms.info.update(info)
    return atoms


def simulated(**fields):
    settings = {"calculator": Emt(), "n_steps": 20, "sample_interval": 10} | fields
    node = AseMD(**settings)
    node.run()
    return node


def test_one_trajectory_after_the_other():
    structures = [crystal("Cu", label="a"), crystal("Ag", label="b")]
    node = simulated(structures=structures, timestep_fs=2.0)
    assert node.rows.tolist() == [0, 0, 0, 1, 1, 1]
    assert [frame.info["step"] for frame in node.frames] == [0, 10, 20] * 2
    assert [frame.info["label"] for frame in node.frames] == list("aaabbb")
    assert node.log["trajectory"].tolist() == [0, 0, 0, 1, 1, 1]
    assert node.log["time_fs"].tolist() == [0.0, 20.0, 40.0] * 2
    for frame, row in zip(node.frames, node.log.itertuples(), strict=True):
        assert frame.get_potential_energy() == row.energy_ev
        assert frame.info["temperature_k"] == row.temperature_k
    assert node.metrics == {
        "n_trajectories": 2, "n_completed": 2, "n_stopped": 0, "n_failed": 0, "n_frames": 6,
        "stop_reasons": {},
    }  # fmt: skip
    assert structures == [crystal("Cu"), crystal("Ag")]


def test_replicas_differ_and_a_seed_repeats_them():
    one = simulated(structures=[crystal()], n_replicas=2, seed=1)
    assert one.rows.tolist() == [0] * 6
    assert one.log["trajectory"].tolist() == [0, 0, 0, 1, 1, 1]
    assert ["replica" in frame.info for frame in one.frames] == [False] * 3 + [True] * 3
    assert not np.allclose(one.frames[0].get_momenta(), one.frames[3].get_momenta())
    again = simulated(structures=[crystal()], n_replicas=2, seed=1)
    other = simulated(structures=[crystal()], n_replicas=2, seed=2)
    np.testing.assert_array_equal(one.frames[5].positions, again.frames[5].positions)
    assert not np.allclose(one.frames[5].positions, other.frames[5].positions)


def test_stopped_trajectories_are_counted_with_their_check():
    node = simulated(
        structures=[crystal("Cu"), crystal("Ag")],
        checks=[MaxTemperature(100.0), EnergyDrop(1.0)],
        temperature_k=800.0,
    )
    assert node.metrics["n_stopped"] == 2
    assert node.metrics["stop_reasons"] == {"MaxTemperature": 2}
    assert node.rows.tolist() == [0, 1]
    assert all(frame.info["stop_reason"].startswith("MaxTemp") for frame in node.frames)


def test_the_stop_reason_of_an_earlier_run_is_forgotten():
    first = simulated(structures=[crystal()], checks=[MaxTemperature(1.0)])
    second = simulated(structures=first.frames, n_steps=10)
    assert second.metrics["n_stopped"] == 0


def test_a_temperature_may_be_a_list_of_knots():
    node = simulated(structures=[crystal()], temperature_k=[[0, 1.0], [20, 2.0]])
    assert node.log["temperature_k"].max() < 20.0


def test_a_pressure_changes_the_cell():
    node = simulated(structures=[crystal()], integrator=MtkNPT(), pressure_gpa=10.0, n_steps=40)
    assert node.frames[-1].get_volume() != pytest.approx(crystal().get_volume(), rel=1e-5)
    assert "stress" in node.frames[-1].calc.results


def test_failures_are_recorded_with_their_replica():
    node = simulated(
        structures=[crystal("Ag"), crystal("Cu")],
        calculator=AseCalculator(f"{__name__}:Fussy"),
        n_replicas=2,
        on_error="record",
    )
    assert [(fail["row"], fail["replica"]) for fail in node.failures] == [(0, 0), (0, 1)]
    assert node.failures[0]["kind"] == "calculation"
    assert node.failures[0]["reason"] == "RuntimeError: not copper"
    assert set(node.rows) == {1}
    assert node.metrics["n_failed"] == 2
    assert node.metrics["n_completed"] == 2


def test_failures_are_raised_unless_recorded():
    with pytest.raises(zn.PipelineError, match="not copper"):
        simulated(structures=[crystal("Ag")], calculator=AseCalculator(f"{__name__}:Fussy"))


def test_a_trajectory_that_failed_goes_on_in_the_next_run(monkeypatch):
    whole = simulated(structures=[crystal()], calculator=Emt(), checkpoint_interval=5)
    fields = {
        "structures": [crystal()],
        "calculator": AseCalculator(f"{__name__}:Fragile"),
        "checkpoint_interval": 5,
        "on_error": "record",
    }
    monkeypatch.setenv("CALCULATIONS", "13")
    assert simulated(**fields).metrics["n_failed"] == 1
    monkeypatch.setenv("ZN_RETRY", "failed")
    again = simulated(**fields)  # 13 calculations are enough from step 10 on only
    assert again.metrics["n_completed"] == 1
    for frame, other in zip(again.frames, whole.frames, strict=True):
        np.testing.assert_array_equal(frame.positions, other.positions)


def test_relaxation_dynamics_and_labels_fuse_into_one_job():
    """Functions of one structure are plain frozen dataclasses, and follow each other."""
    structures = [crystal("Cu"), crystal("Ag")]
    structures[0].rattle(0.1, seed=1)
    fused = zn.map([Relax(Emt()), RunMD(Emt(), n_steps=10)], structures, seed=1)
    relaxed = zn.map(Relax(Emt()), structures)
    alone = zn.map(RunMD(Emt(), n_steps=10), relaxed, seed=1)
    assert fused.rows.tolist() == [0, 0, 1, 1]
    assert len(alone) == 4
    np.testing.assert_array_equal(fused[0].positions, relaxed[0].positions)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n_replicas": 0}, "n_replicas must be 1 or more, received 0"),
        ({"on_error": "skip"}, 'on_error must be "raise" or "record", received \'skip\''),
        ({"pressure_gpa": 1.0}, "pressure_gpa must be None for Langevin, received 1.0"),
    ],
)
def test_unusable_settings_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        simulated(structures=[crystal()], **fields)


def test_the_node_keeps_the_contract():
    structures = [crystal("Cu"), crystal("Ag")]
    zn.testing.check_node(AseMD, structures=structures, calculator=Emt(), n_steps=20, n_replicas=2)
    zn.testing.check_node(
        AseMD, structures=structures, calculator=Emt(), integrator=Verlet(), n_steps=20,
        checks=[MaxTemperature(100.0)], temperature_k=[[0, 300.0], [20, 600.0]],
    )  # fmt: skip
