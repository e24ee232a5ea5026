"""Energies, forces and stress against finite differences and invariances, in float64."""

import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.potentials import (
    Bessel,
    EnergyModel,
    GaussianMoments,
    ModelConfig,
    Readout,
    Zbl,
    build_graphs,
)
from nodes.numerics.structures import Structure

CONFIG = ModelConfig(
    elements=(1, 8),
    cutoff_angstrom=3.0,
    representation=GaussianMoments(n_radial=3, basis=Bessel(6)),
    readout=Readout(hidden=(8, 8)),
    n_members=4,
)
TRICLINIC = np.array([[2.6, 0.0, 0.0], [0.8, 2.7, 0.0], [-0.5, 0.6, 3.1]])
CELLS = {
    "below the cutoff": (TRICLINIC, (True, True, True)),
    "slab": (TRICLINIC * 1.5, (True, True, False)),
    "wire": (TRICLINIC * 1.5, (False, False, True)),
    "molecule": (np.zeros((3, 3)), (False, False, False)),
}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def model():
    return EnergyModel(CONFIG)


@pytest.fixture
def params():
    """Random parameters with every part different from its neutral value."""
    params = EnergyModel(CONFIG).init(jax.random.key(1))
    params["weights"]["scale"] = np.array([1.3, 0.7])
    params["weights"]["shift"] = np.array([0.2, -0.1])
    params["constants"]["reference"] = np.array([-13.6, -2041.8])
    params["constants"]["feature_scale"] += 3.0
    params["weights"]["corrections"] = {"zbl": {}}
    return params


def make(name="below the cutoff", seed=0):
    cell, pbc = CELLS[name]
    numbers = np.array([8, 1, 1, 8])
    grid = np.array([[0.0, 0, 0], [0.5, 0.5, 0.1], [0.4, 0, 0.5], [0, 0.5, 0.6]])
    box = cell if cell.any() else TRICLINIC
    noise = np.random.default_rng(seed).normal(size=(4, 3)) * 0.08
    return Structure(numbers, grid @ box + noise, cell, np.array(pbc))


def predict(model, params, structure, **options):
    return model.predict(params, build(model, structure), **options)


def build(model, structure):
    """Graph with a fixed number of slots, so that the tests share one compiled program."""
    graphs = build_graphs([structure], model.config, capacity=96)
    return jax.tree.map(lambda leaf: leaf[0], graphs)


@pytest.mark.parametrize("zbl", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("name", CELLS)
def test_forces_are_minus_the_gradient(params, name, zbl):
    model = EnergyModel(dataclasses.replace(CONFIG, corrections=(Zbl(),) * zbl))
    structure, h = make(name), 1e-4
    forces = predict(model, params, structure).forces
    for atom, axis in [(0, 0), (1, 2), (3, 1)]:
        energies = []
        for sign in (-1, 1):
            positions = structure.positions.copy()
            positions[atom, axis] += sign * h
            moved = dataclasses.replace(structure, positions=positions)
            energies.append(predict(model, params, moved).energy)
        expected = -(energies[1] - energies[0]) / (2 * h)
        assert forces[atom, axis] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("zbl", [pytest.param(False, marks=pytest.mark.slow), True])
def test_stress_is_the_derivative_by_strain(params, zbl):
    model = EnergyModel(dataclasses.replace(CONFIG, corrections=(Zbl(),) * zbl))
    structure, h = make(), 1e-5
    prediction = predict(model, params, structure)
    for i, j in [(0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2)]:
        energies = []
        for sign in (-1, 1):
            strain = np.eye(3)
            strain[i, j] += sign * h / 2
            strain[j, i] += sign * h / 2
            strained = dataclasses.replace(
                structure, positions=structure.positions @ strain, cell=structure.cell @ strain
            )
            energies.append(predict(model, params, strained).energy)
        expected = (energies[1] - energies[0]) / (2 * h) / structure.volume
        assert prediction.stress[i, j] == pytest.approx(expected, rel=1e-5, abs=1e-6)
    np.testing.assert_array_equal(prediction.virial, prediction.virial.T)


def test_no_stress_without_full_periodicity(model, params):
    assert predict(model, params, make("slab")).stress is None


def test_rotation_reflection_translation_and_permutation(model, params):
    structure = make()
    before = predict(model, params, structure, forces_std=True)
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    order = np.array([2, 0, 3, 1])
    for turn in (rotation, -rotation):
        turned = Structure(
            structure.numbers[order],
            structure.positions[order] @ turn + 7.0,
            structure.cell @ turn,
            structure.pbc,
        )
        after = predict(model, params, turned, forces_std=True)
        assert after.energy == pytest.approx(before.energy, abs=1e-9)
        np.testing.assert_allclose(after.forces, before.forces[order] @ turn, atol=1e-9)
        np.testing.assert_allclose(after.stress, turn.T @ before.stress @ turn, atol=1e-10)
        np.testing.assert_allclose(
            np.sum(after.forces_std**2, axis=1), np.sum(before.forces_std**2, axis=1)[order]
        )


def test_wrapping_and_choice_of_lattice_vectors_do_not_matter(model, params):
    structure = make()
    shifts = np.array([[3, -2, 0], [0, 0, 0], [-1, 0, 5], [0, 1, 0]])
    other = np.array([[1, 0, 0], [1, 1, 0], [0, -1, 1]]) @ structure.cell
    moved = dataclasses.replace(
        structure, positions=structure.positions + shifts @ structure.cell, cell=other
    )
    a, b = predict(model, params, structure), predict(model, params, moved)
    assert b.energy == pytest.approx(a.energy, abs=1e-9)
    np.testing.assert_allclose(b.forces, a.forces, atol=1e-9)


@pytest.mark.extensive
def test_supercell_has_the_same_energy_per_atom(model, params):
    pair = Structure([8, 1], [[0.0, 0, 0], [1.2, 1.0, 1.4]], TRICLINIC, True)
    shifts = np.array(list(np.ndindex(3, 3, 3)))
    positions = (pair.positions[None] + (shifts @ TRICLINIC)[:, None]).reshape(-1, 3)
    large = Structure(np.tile(pair.numbers, 27), positions, 3 * TRICLINIC, True)
    a, b = predict(model, params, pair), predict(model, params, large)
    assert b.energy / 54 == pytest.approx(a.energy / 2, abs=1e-9)
    np.testing.assert_allclose(b.forces, np.tile(a.forces, (27, 1)), atol=1e-9)
    np.testing.assert_allclose(b.stress, a.stress, atol=1e-10)


def test_energy_is_smooth_at_the_cutoff(model, params):

    def pair(distance):
        positions = [[0.0, 0, 0], [distance, 0, 0]]
        return predict(model, params, Structure([8, 1], positions, np.zeros((3, 3)), False))

    outside = pair(3.01)
    assert not outside.forces.any()
    for distance in (3.0 - 1e-3, 3.0 - 1e-6):
        inside = pair(distance)
        gap = 3.0 - distance
        # The radial functions vanish with the fourth power of the distance to the cutoff.
        assert abs(inside.energy - outside.energy) < 1e3 * gap**4 + 1e-11
        assert np.abs(inside.forces).max() < 1e3 * gap**3 + 1e-11


@pytest.mark.slow
def test_padding_and_batches_change_nothing(model, params):
    molecule = make("molecule")
    pair = Structure(molecule.numbers[:2], molecule.positions[:2], molecule.cell, False)
    structures = [make(seed=1), pair, make("wire", seed=2)]
    together = model.predict_many(params, structures, batch_size=2, forces_std=True)
    for one, structure in zip(together, structures, strict=True):
        alone = model.predict(params, build(model, structure), forces_std=True)
        assert one.energy == pytest.approx(alone.energy, abs=1e-9)
        assert one.energy_std == pytest.approx(alone.energy_std, rel=1e-8)
        np.testing.assert_allclose(one.forces, alone.forces, atol=1e-9)
        np.testing.assert_allclose(one.forces_std, alone.forces_std, atol=1e-9)
        assert one.forces.shape == structure.positions.shape


def test_uncertainty_is_that_of_the_members(model, params):
    structure, h = make(), 1e-4
    prediction = predict(model, params, structure, forces_std=True)
    members = np.asarray(model.energies(params, build(model, structure)))
    assert prediction.energy == pytest.approx(members.mean(), abs=1e-9)
    assert prediction.energy_std == pytest.approx(members.std(ddof=1))
    energies = []
    for sign in (-1, 1):
        positions = structure.positions.copy()
        positions[1, 2] += sign * h
        moved = dataclasses.replace(structure, positions=positions)
        energies.append(np.asarray(model.energies(params, build(model, moved))))
    forces = -(energies[1] - energies[0]) / (2 * h)
    assert prediction.forces[1, 2] == pytest.approx(forces.mean(), rel=1e-6)
    assert prediction.forces_std[1, 2] == pytest.approx(forces.std(ddof=1), rel=1e-5)


def test_one_member_has_no_uncertainty():
    model = EnergyModel(dataclasses.replace(CONFIG, n_members=1))
    prediction = predict(model, model.init(jax.random.key(0)), make(), forces_std=True)
    assert prediction.energy_std == 0.0
    assert not prediction.forces_std.any()


@pytest.mark.slow
def test_reference_energies_are_added_in_float64(model):
    with jax.enable_x64(False):
        params = model.init(jax.random.key(0))
        bare = predict(model, params, make()).energy
        params["constants"]["reference"] = np.array([-1e6 / 3, -1e7 / 3])
        expected = bare + 2 * (-1e6 / 3) + 2 * (-1e7 / 3)
        assert predict(model, params, make()).energy == pytest.approx(expected, abs=1e-8)


def test_unknown_elements_are_refused(model, params):
    with pytest.raises(ValueError, match=r"only the elements \[1, 8\] .* received \[6\]"):
        model.graph(Structure([6], [[0.0, 0, 0]], np.zeros((3, 3)), False))
