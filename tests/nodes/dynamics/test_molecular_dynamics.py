import ase.build
import jax
import numpy as np
import pytest
from ase import units
from ase.constraints import FixAtoms

import zn_pipeline as zn
from nodes.dynamics.molecular_dynamics import JaxMD, UnstableDynamicsError
from nodes.numerics.potentials import EnergyModel, ModelConfig


class RandomModel:
    """A small model with random weights: enough to move atoms."""

    def energy_model(self):
        config = ModelConfig(
            elements=(29,), cutoff_angstrom=4.0, n_basis=5, n_radial=2, n_contractions=2,
            hidden=(8,), n_members=2,
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


def test_unusable_input_is_refused(copper):
    with pytest.raises(ValueError, match=r"index must be in \[-1, 0\] for 1 .* received 3"):
        simulated(copper, index=3)
    with pytest.raises(ValueError, match='on_failure must be "raise" or "record"'):
        simulated(copper, on_failure="ignore")
    copper.set_constraint(FixAtoms([0]))
    with pytest.raises(ValueError, match="must have no constraints"):
        simulated(copper)


def test_the_node_keeps_the_contract(copper):
    zn.testing.check_node(
        JaxMD, structures=[copper], model=RandomModel(), n_steps=20, sample_every=10
    )
