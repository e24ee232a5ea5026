import dataclasses
import json

import ase.build
import ase.io
import jax
import numpy as np
import pytest

import zn_pipeline as zn
from nodes.dynamics.config.md import MdConfig
from nodes.dynamics.simulate import simulate, start_structure
from nodes.numerics.potentials import EnergyModel, GaussianMoments, ModelConfig, Readout
from nodes.schema.reading import check_config

WALL = {"name": "spherical_wall", "radius": 1.5, "spring_constant": 2.0}


@pytest.fixture(scope="module")
def potential():
    """A model with random weights, scaled down so that atoms hardly feel it."""
    small = GaussianMoments(n_radial=2, n_contractions=2)
    model = EnergyModel(
        ModelConfig((29,), 3.0, small, Readout(hidden=(4,)), n_members=2)
    )  # fmt: skip
    params = model.init(jax.random.key(0))
    weights = {**params["weights"], "scale": 1e-3 * params["weights"]["scale"]}
    return model, {**params, "weights": weights}


@pytest.fixture
def start(tmp_path):
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.set_momenta(np.full((4, 3), 0.1) * np.array([[1], [-1], [1], [-1]]))
    ase.io.write(tmp_path / "start.xyz", [ase.build.molecule("H2O"), atoms])
    return atoms


def settings(tmp_path, **values):
    content = {
        "duration": 40.0, "initial_structure": str(tmp_path / "start.xyz"), "n_inner": 20,
        "sampling_rate": 5, "sim_dir": str(tmp_path / "sim"), "checkpoint_interval": 1,
        "ensemble": {"name": "langevin", "dt": 0.5}, "disable_pbar": True,
        "biases": [WALL],
    }  # fmt: skip
    return check_config(content | values, MdConfig)


class Killed(Exception):
    """Stands for a kill."""


@pytest.mark.slow
def test_a_simulation_that_was_killed_goes_on_and_gives_the_same_frames(
    potential, start, tmp_path, monkeypatch
):
    whole = simulate(*potential, settings(tmp_path, sim_dir=str(tmp_path / "whole")))
    assert (whole.stop_reason, whole.n_frames, whole.n_new_steps) == ("completed", 17, 80)
    assert "17 frames" in whole.lines[0]

    from nodes.numerics.md import Simulation

    save, count = Simulation.save, iter(range(100))

    def dying(self):
        save(self)
        if next(count) == 1:
            raise Killed

    monkeypatch.setattr(Simulation, "save", dying)
    config = settings(tmp_path)
    with pytest.raises(Killed):
        simulate(*potential, config)
    monkeypatch.setattr(Simulation, "save", save)
    resumed = simulate(*potential, config)
    assert 0 < resumed.n_new_steps < 80
    one, other = (zn.Frames.from_file(s.trajectory) for s in (whole, resumed))
    assert [a.info["step"] for a in one] == [a.info["step"] for a in other] == [*range(0, 81, 5)]
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.positions, b.positions)
        assert np.array_equal(a.get_velocities(), b.get_velocities())
    done = simulate(*potential, config)
    assert (done.n_new_steps, done.n_frames) == (0, 17)
    record = json.loads((tmp_path / "sim/md.json").read_text())
    assert record == dataclasses.asdict(done)
    anew = simulate(*potential, settings(tmp_path, restart=False))
    assert (anew.n_new_steps, anew.n_frames) == (80, 17)


def test_the_last_structure_of_a_file_is_the_start(start, tmp_path):
    config = settings(tmp_path, load_momenta=True)
    found = start_structure(config)
    assert np.allclose(found.positions, start.positions)
    assert np.allclose(found.get_momenta(), start.get_momenta())


def test_what_cannot_be_a_start_is_named(start, tmp_path):
    with pytest.raises(ValueError, match=r"initial_structure must be a file, received .*none"):
        start_structure(settings(tmp_path, initial_structure="none.xyz"))
    ase.io.write(tmp_path / "start.xyz", ase.build.bulk("Cu"))
    with pytest.raises(ValueError, match="must have momenta for load_momenta"):
        start_structure(settings(tmp_path, load_momenta=True))


@pytest.mark.slow
def test_a_wall_pulls_atoms_back(potential, start, tmp_path):
    summary = simulate(*potential, settings(tmp_path, duration=2.5))
    distances = np.linalg.norm(start.positions, axis=1, keepdims=True)
    beyond = np.maximum(distances - 1.5, 0.0)
    expected = -2.0 * beyond * start.positions / np.maximum(distances, 1.0)
    assert np.abs(expected).max() > 1.0
    # The model itself gives next to no forces.
    frame = zn.Frames.from_file(summary.trajectory)[0]
    np.testing.assert_allclose(frame.get_forces(), expected, atol=0.01)


def test_a_wall_must_pull(potential, start, tmp_path):
    with pytest.raises(ValueError, match=r"spring_constant\w* must be positive, received -1.0"):
        simulate(*potential, settings(tmp_path, biases=[WALL | {"spring_constant": -1.0}]))
