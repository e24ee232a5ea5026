import ase.build
import jax
import numpy as np
import pytest
from ase import units
from ase.constraints import FixAtoms, FixedLine

import zn_pipeline as zn
from nodes import MaxTemperature, MinDistance, NotFinite
from nodes.dynamics import jax_frames
from nodes.dynamics.molecular_dynamics import JaxMD, UnstableDynamicsError
from nodes.numerics.biases import SphericalWall
from nodes.numerics.md.checks import MaxForceStd
from nodes.numerics.md.moving import CellRescaling
from nodes.numerics.potentials import (
    Bessel,
    EnergyModel,
    GaussianMoments,
    ModelConfig,
    Readout,
)


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


class RandomModel:
    """A small model with random weights: enough to move atoms."""

    def energy_model(self):
        config = ModelConfig(
            elements=(29,), cutoff_angstrom=4.0, readout=Readout(hidden=(8,)), n_members=2,
            representation=GaussianMoments(n_radial=2, n_contractions=2, basis=Bessel(n_basis=5)),
        )  # fmt: skip
        model = EnergyModel(config)
        params = model.init(jax.random.key(0))
        params["weights"]["scale"] = 0.02 * params["weights"]["scale"]
        return model, params


class BrokenModel(RandomModel):
    """A model whose energies are NaN."""

    def energy_model(self):
        model, params = super().energy_model()
        params["weights"]["scale"] = np.nan * params["weights"]["scale"]
        return model, params


@pytest.fixture
def copper():
    atoms = ase.build.bulk("Cu").repeat(2)
    atoms.rattle(0.05, seed=0)
    return atoms


def simulated(copper, **fields):
    settings = {"model": RandomModel(), "n_steps": 40, "sample_every": 10} | fields
    node = JaxMD(structures=[copper], **settings)
    node.run()
    return node


def test_frames_log_and_metrics_belong_together(copper):
    node = simulated(copper, timestep_fs=2.0)
    assert [frame.info["step"] for frame in node.frames] == [0, 10, 20, 30, 40]
    assert node.log["time_fs"].tolist() == [0.0, 20.0, 40.0, 60.0, 80.0]
    assert node.metrics["stop_reason"] == "completed"
    assert node.metrics["n_frames"] == 5
    np.testing.assert_allclose(node.frames[0].positions, copper.positions, atol=1e-5)
    for frame, row in zip(node.frames, node.log.itertuples(), strict=True):
        assert frame.get_potential_energy() == row.energy_ev
        assert frame.info["force_std_max"] == row.force_std_max_ev_per_angstrom
        kinetic = frame.get_kinetic_energy()
        assert row.temperature_k == pytest.approx(2 * kinetic / (24 * units.kB), rel=1e-3)
        np.testing.assert_array_equal(frame.cell.array, copper.cell.array)
    assert copper.calc is None


def test_the_uncertain_frame_is_the_last_one_kept(copper):
    free = simulated(copper)
    spread = free.log["force_std_max_ev_per_angstrom"]
    limit = float(np.sort(spread)[-2] + np.sort(spread)[-1]) / 2
    first = int(np.argmax(spread > limit))
    node = simulated(copper, max_force_std_ev_per_angstrom=limit)
    assert node.metrics["stop_reason"] == "uncertain"
    assert len(node.frames) == first + 1
    assert node.frames[-1].info["force_std_max"] > limit
    assert all(frame.info["force_std_max"] <= limit for frame in node.frames[:-1])
    assert node.metrics["stopped_at_step"] == node.frames[-1].info["step"]


def test_the_seed_decides_the_trajectory(copper):
    first, again, other = (simulated(copper, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.frames[-1].positions, again.frames[-1].positions)
    assert np.abs(first.frames[-1].positions - other.frames[-1].positions).max() > 1e-4


@pytest.mark.extensive
def test_dynamics_go_on_with_the_velocities_of_the_last_frame(copper):
    settings = {"ensemble": "nve", "timestep_fs": 1.0}
    whole = simulated(copper, n_steps=40, **settings)
    half = simulated(copper, n_steps=20, **settings)
    rest = simulated(half.frames[-1], n_steps=20, keep_velocities=True, **settings)
    np.testing.assert_allclose(rest.frames[-1].positions, whole.frames[-1].positions, atol=1e-3)


def test_nan_at_the_start_is_a_failure_in_any_case(copper):
    for on_failure in ("raise", "record"):
        with pytest.raises(UnstableDynamicsError, match="received NaN or infinity at step 0 of 40"):
            simulated(copper, model=BrokenModel(), on_failure=on_failure)


def test_frames_before_an_explosion_can_be_kept(copper):
    copper.set_momenta(1e-3 * np.ones((8, 3)))
    copper.arrays["momenta"][0] = 1e4, 0.0, 0.0
    settings = {"timestep_fs": 1e36, "ensemble": "nve", "keep_velocities": True}
    with pytest.raises(UnstableDynamicsError, match='on_failure="record"'):
        simulated(copper, **settings)
    node = simulated(copper, on_failure="record", **settings)
    assert node.metrics["stop_reason"] == "not finite"
    assert node.metrics["n_frames"] == len(node.frames) >= 1
    assert all(np.isfinite(frame.positions).all() for frame in node.frames)


@pytest.mark.slow
def test_checks_constraints_biases_and_knots(copper):
    copper.set_constraint(FixAtoms([0, 3]))
    node = simulated(
        copper,
        temperature_k=[[0, 300.0], [40, 600.0]],
        checks=[NotFinite(), MinDistance(0.1), MaxTemperature(1.0), MaxForceStd(1e9)],
        biases=[SphericalWall(2.0, 3.0)],
        check_every=5,
        keep_before=3,
    )
    assert node.metrics["stop_reason"] == "too hot"
    assert node.metrics["stop_text"].startswith("step 0: MaxTemperature: temperature of ")
    assert [frame.info["step"] for frame in node.frames] == [0]
    free = simulated(copper, temperature_k=[[0, 300.0], [40, 600.0]])
    beyond = np.maximum(np.linalg.norm(copper.positions, axis=1) - 2.0, 0.0)
    added = node.frames[0].get_potential_energy() - free.frames[0].get_potential_energy()
    assert added == pytest.approx(1.5 * np.sum(beyond**2), rel=1e-4)
    assert added > 1.0
    last = free.frames[-1]
    np.testing.assert_allclose(last.positions[[0, 3]], copper.positions[[0, 3]], atol=1e-5)
    assert np.abs(last.positions[1] - copper.positions[1]).max() > 1e-3
    assert np.abs(last.get_velocities()[[0, 3]]).max() == 0.0
    np.testing.assert_array_equal(last.constraints[0].index, [0, 3])
    # 18 degrees of freedom are left.
    kinetic = last.get_kinetic_energy()
    expected = 2 * kinetic / (18 * units.kB)
    assert free.log["temperature_k"].iloc[-1] == pytest.approx(expected, rel=1e-3)


@pytest.mark.slow
def test_all_structures_run_side_by_side_as_they_would_alone(copper):
    large = ase.build.bulk("Cu").repeat((2, 2, 3))
    node = JaxMD(
        structures=[copper, large], model=RandomModel(), index=None, n_replicas=2, n_steps=20,
        seed=5,
    )  # fmt: skip
    node.run()
    assert node.rows.tolist() == [0] * 6 + [1] * 6
    assert node.log["trajectory"].tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert node.metrics["n_trajectories"] == node.metrics["n_completed"] == 4
    assert node.metrics["stop_reasons"] == {"completed": 4}
    alone = simulated(copper, n_steps=20, seed=6)
    np.testing.assert_allclose(node.frames[5].positions, alone.frames[-1].positions, atol=1e-4)
    assert np.abs(node.frames[2].positions - node.frames[5].positions).max() > 1e-3


@pytest.mark.slow
def test_the_cell_changes_under_pressure_and_frames_know_it(copper):
    copper.set_masses([20.0] * 8)
    node = simulated(
        copper, integrator=CellRescaling(tau_pressure_fs=100.0), pressure_gpa=20.0, wrap=True
    )
    volumes = [frame.get_volume() for frame in node.frames]
    assert volumes[-1] < volumes[0]
    np.testing.assert_allclose(node.log["volume_angstrom3"], volumes)
    frame = node.frames[-1]
    np.testing.assert_array_equal(frame.get_masses(), [20.0] * 8)
    gas = 2 * frame.get_kinetic_energy() / (3 * frame.get_volume())
    pressure = (gas - np.trace(frame.get_stress(voigt=False)) / 3) / units.GPa
    assert node.log["pressure_gpa"].iloc[-1] == pytest.approx(pressure, rel=1e-4)
    assert (frame.get_scaled_positions(wrap=False) > -1e-6).all()
    total = node.log["energy_ev"] + node.log["kinetic_energy_ev"]
    np.testing.assert_allclose(node.log["total_energy_ev"], total)


@pytest.mark.extensive
def test_frames_of_long_runs_stay_on_disk(copper, monkeypatch):
    monkeypatch.setattr(jax_frames, "_IN_MEMORY_ATOMS", 10)
    node = simulated(copper, frames_per_block=1)
    assert isinstance(node.frames, zn.Frames)
    assert [frame.info["step"] for frame in node.frames] == [0, 10, 20, 30, 40]


@pytest.mark.slow
def test_a_killed_node_goes_on_with_the_same_frames(copper, monkeypatch):
    whole = simulated(copper, frames_per_block=1)
    node = JaxMD(
        structures=[copper], model=RandomModel(), n_steps=40, sample_every=10, frames_per_block=1
    )
    keep, kept = jax_frames.FrameFiles.keep, []

    def keep_or_die(files, first, found, start):
        keep(files, first, found, start)
        kept.append(first)
        if len(kept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(jax_frames.FrameFiles, "keep", keep_or_die)
    with pytest.raises(KeyboardInterrupt):
        node.run()
    node.run()
    assert kept == [0, 1, 2, 2, 3, 4]
    for one, other in zip(node.frames, whole.frames, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        assert one.info == other.info


def test_unusable_input_is_refused(copper):
    with pytest.raises(ValueError, match=r"index must be in \[-1, 0\] for 1 .* received 3"):
        simulated(copper, index=3)
    with pytest.raises(ValueError, match='on_failure must be "raise" or "record"'):
        simulated(copper, on_failure="ignore")
    with pytest.raises(ValueError, match="n_replicas must be 1 or more, received 0"):
        simulated(copper, n_replicas=0)
    with pytest.raises(ValueError, match="knots must be pairs with ascending steps"):
        simulated(copper, temperature_k=[[10, 300.0], [5, 600.0]])
    with pytest.raises(ValueError, match="pressure_gpa must be None for Langevin"):
        simulated(copper, pressure_gpa=1.0)
    copper.set_constraint(FixedLine([0], [0, 0, 1]))
    with pytest.raises(
        ValueError, match="no constraints but FixAtoms, received FixedLine in row 0"
    ):
        simulated(copper)


def test_the_node_keeps_the_contract(copper):
    zn.testing.check_node(
        JaxMD, structures=[copper], model=RandomModel(), n_steps=20, sample_every=10
    )
