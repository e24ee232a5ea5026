import functools

import ase.build
import jax
import numpy as np
import pytest
from ase.constraints import FixAtoms, FixCartesian, FixedLine

import zn_pipeline as zn
from nodes.atoms import structure_of
from nodes.numerics.potentials import Bessel, EnergyModel, GaussianMoments, ModelConfig, Readout
from nodes.numerics.relax import Relaxation
from nodes.relaxation.jax_relax import JaxRelax
from nodes.relaxation.relax import RelaxationError


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@functools.cache
def random_model():
    """A model with random weights that pulls with 0.5 eV/Angstrom."""
    config = ModelConfig(
        elements=(29,), cutoff_angstrom=4.0, readout=Readout(hidden=(4,)), n_members=2,
        representation=GaussianMoments(n_radial=2, n_contractions=2, basis=Bessel(n_basis=4)),
    )  # fmt: skip
    model = EnergyModel(config)
    params = jax.device_get(model.init(jax.random.key(0)))
    params["constants"]["reference"] = np.array([-3.5])
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=0)
    forces = model.predict(params, model.graph(structure_of(atoms))).forces
    scale = 0.5 / np.linalg.norm(forces, axis=1).max()
    params["weights"]["scale"] = np.float32(scale) * params["weights"]["scale"]
    return model, params


class RandomModel:
    """A small model: it has minima somewhere."""

    def energy_model(self):
        return random_model()


class BrokenModel(RandomModel):
    """A model whose energies are NaN."""

    def energy_model(self):
        model, params = super().energy_model()
        weights = params["weights"]
        return model, {**params, "weights": {**weights, "scale": np.nan * weights["scale"]}}


@pytest.fixture
def structures():
    frames = [ase.build.bulk("Cu", cubic=True) for _ in range(3)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.05, seed=seed)
        atoms.info["label"] = seed
    frames[1].set_constraint([FixAtoms([0]), FixCartesian([2], mask=(True, False, True))])
    return frames


def relaxed(structures, **fields):
    settings = {
        "model": RandomModel(), "optimizer": "FIRE", "fmax_ev_per_angstrom": 0.02,
        "batch_size": 2, "steps_per_block": 5, "max_steps": 30,
    }  # fmt: skip
    node = JaxRelax(structures=structures, **(settings | fields))
    node.run()
    return node


def test_frames_are_in_order_with_results_and_constraints(structures):
    node = relaxed(structures, max_steps=400)
    assert node.rows.tolist() == [0, 1, 2]
    assert [frame.info["label"] for frame in node.frames] == [0, 1, 2]
    assert node.metrics["n_converged"] + node.metrics["n_not_converged"] == 3
    assert node.metrics["n_converged"] >= 1
    assert node.metrics["mean_steps"] == np.mean([frame.info["step"] for frame in node.frames])
    model, params = RandomModel().energy_model()
    for frame, start in zip(node.frames, structures, strict=True):
        forces = frame.get_forces()  # Zero where ASE's constraints fix a component.
        assert frame.info["converged"] == (np.linalg.norm(forces, axis=1).max() <= 0.02)
        assert frame.get_stress().shape == (6,)
        assert start.calc is None
        np.testing.assert_array_equal(frame.cell.array, start.cell.array)
    found = model.predict(params, model.graph(structure_of(node.frames[0])))
    assert node.frames[0].get_potential_energy() == pytest.approx(found.energy, abs=1e-4)
    moved = node.frames[1].positions - structures[1].positions
    assert (moved[0] == 0.0).all()
    assert moved[2, 0] == moved[2, 2] == 0.0
    assert moved[2, 1] != 0.0
    assert len(node.frames[1].constraints) == 2


def test_a_killed_node_goes_on_with_the_same_result(structures, monkeypatch):
    whole = relaxed(structures)
    node = JaxRelax(
        structures=structures, model=RandomModel(), optimizer="FIRE", fmax_ev_per_angstrom=0.02,
        batch_size=2, steps_per_block=5, max_steps=30,
    )  # fmt: skip
    save, saved = Relaxation.save, []

    def save_or_die(relaxation):
        save(relaxation)
        saved.append(relaxation.n_steps)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Relaxation, "save", save_or_die)
    with pytest.raises(KeyboardInterrupt):
        node.run()
    node.run()
    assert saved[2] > saved[1] > 0
    for one, other in zip(node.frames, whole.frames, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        assert one.info == other.info


def test_what_does_not_converge_is_flagged_or_refused(structures):
    node = relaxed(structures, max_steps=1)
    assert node.metrics["n_not_converged"] == 3
    assert not any(frame.info["converged"] for frame in node.frames)
    with pytest.raises(RelaxationError, match=r"within 1 steps, received .* in row 0"):
        relaxed(structures, max_steps=1, if_not_converged="fail")


def test_nan_is_an_error_or_recorded(structures):
    with pytest.raises(RelaxationError, match="structure 0 must stay finite, received: step 0"):
        relaxed(structures, model=BrokenModel())
    node = relaxed(structures, model=BrokenModel(), on_error="record")
    assert len(node.frames) == 0
    assert [failure["row"] for failure in node.failures] == [0, 1, 2]
    assert node.failures[0]["kind"] == "not finite"
    assert node.metrics["n_failed"] == 3


def test_unusable_input_is_refused(structures):
    with pytest.raises(ValueError, match="if_not_converged must be one of flag, fail"):
        relaxed(structures, if_not_converged="ignore")
    with pytest.raises(ValueError, match="must be left alone for a fixed cell"):
        relaxed(structures, pressure_gpa=1.0)
    structures[2].set_constraint(FixedLine([0], [0, 0, 1]))
    with pytest.raises(ValueError, match=r"FixAtoms and FixCartesian, received FixedLine in row 2"):
        relaxed(structures)


def test_the_node_keeps_the_contract(structures):
    zn.testing.check_node(
        JaxRelax, structures=structures[:2], model=RandomModel(), optimizer="FIRE", batch_size=2,
        max_steps=5,
    )  # fmt: skip
