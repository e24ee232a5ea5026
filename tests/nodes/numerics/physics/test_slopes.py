"""Forces and stress are the slopes of the energy, to 1e-6, for every model and on every path."""

from dataclasses import replace
from functools import cache

import ase
import jax
import numpy as np
import pytest
from ase.stress import voigt_6_to_full_3x3_stress

from nodes.numerics.biases import (
    Calibration,
    GaussianAcceleration,
    SphericalWall,
    UncertaintyBias,
    predict_biased,
)
from nodes.numerics.fit.config import FitConfig, Loss
from nodes.numerics.fit.objective import Objective, predict
from nodes.numerics.fit.packing import pack
from nodes.numerics.md import MDSettings, Start, run_replicas
from nodes.numerics.md.moving import CellRescaling, VelocityVerlet
from nodes.numerics.neighbors.host import neighbor_edges
from nodes.numerics.potentials import build_graphs, save_model
from nodes.numerics.structures import Structure
from nodes.training.calculator import PotentialCalculator

from .conftest import (
    CUTOFF,
    N_ATOMS,
    SLOTS,
    Slopes,
    assert_right,
    cells,
    model_of,
    params_of,
    predict_all,
    random_structure,
    slopes_of,
)

MODELS = [
    ("moments", "all", "shallow"),
    ("few messages", "all", "shallow"),
    ("gaussian basis", "trained zbl", "shallow"),
    ("gaussian basis", "exponential", "full"),
    ("messages", "zbl", "shallow"),
    ("messages twice", "all", "full"),
]
FAST = MODELS[:2]
ON_ALL_PATHS = ("gaussian basis", "few messages")


def test_the_cells_are_as_various_as_they_should_be():
    kinds = [int(np.sum(s.pbc)) for s in cells()]
    assert [kinds.count(n) for n in range(4)] == [2, 4, 4, 10]
    below = [s for s in cells() if s.pbc.any() and narrowest(s) < CUTOFF]
    assert len(below) >= 10
    off_diagonal = [np.abs(s.cell - np.diag(np.diag(s.cell))).max() for s in cells()]
    assert min(off_diagonal) > 0.1


def narrowest(structure):
    """Distance of lattice planes along the narrowest periodic direction, in a full cell."""
    return (1 / np.linalg.norm(np.linalg.inv(structure.cell), axis=0))[structure.pbc].min()


@pytest.mark.parametrize(
    ("representation", "corrections", "ensemble", "count"),
    [(*m, 5) for m in FAST] + [pytest.param(*m, 20, marks=pytest.mark.extensive) for m in MODELS],
)
def test_every_model(representation, corrections, ensemble, count):
    model = model_of(representation, corrections, ensemble=ensemble)
    slopes = slopes_of(model, count)
    found = predict_all(model, params_of(model), cells(count))
    assert_right(slopes.force_errors([p.forces for p in found]), "forces")
    assert_right(slopes.virial_errors([p.virial for p in found]), "virial")
    for prediction, structure in zip(found, cells(count), strict=True):
        if not structure.pbc.all():
            assert prediction.stress is None
            continue
        expected = prediction.virial / structure.volume
        np.testing.assert_allclose(prediction.stress, expected, rtol=1e-12)


@pytest.mark.extensive
def test_a_single_model_without_corrections():
    model = model_of("gaussian basis", n_members=1)
    slopes, found = slopes_of(model, 20), predict_all(model, params_of(model), cells())
    assert_right(slopes.force_errors([p.forces for p in found]), "forces")
    assert_right(slopes.virial_errors([p.virial for p in found]), "virial")


@pytest.mark.extensive
@pytest.mark.parametrize("representation", ON_ALL_PATHS)
def test_one_by_one(representation):
    model = model_of(representation, "all")
    params, slopes, found = params_of(model), slopes_of(model, 20), []
    for s in cells():
        with model.scope():
            batch = build_graphs([s], model.config, n_atoms=N_ATOMS, capacity=SLOTS)
        graph = jax.tree.map(lambda leaf: leaf[0], batch)
        found.append(model.predict(params, graph))
    assert_right(slopes.force_errors([p.forces for p in found]), "forces")
    assert_right(slopes.virial_errors([p.virial for p in found]), "virial")


@cache
def mixed_structures():
    """One to ten atoms, with labels that tell which is which."""
    sizes = [("bulk", 1), ("bulk", 2), ("slab", 3), ("wire", 2), ("molecule", 2), ("molecule", 4)]
    sizes += [("bulk", 10), ("slab", 9), ("molecule", 10)]
    made = [random_structure(kind, 3, n) for kind, n in sizes]
    made.append(Structure([29], np.zeros((1, 3)), np.zeros((3, 3)), False))
    return [replace(s, energy=float(row)) for row, s in enumerate(made)]


@cache
def mixed_results(model):
    """Predictions by `predict_many`, and slopes of its energies, without the single atom."""
    structures, found = mixed_structures(), []

    def energies_of(moved):
        everything = [*structures, *moved]
        found.extend(model.predict_many(params_of(model), everything, batch_size=64))
        return [p.energy for p in found[len(structures) :]]

    slopes = Slopes(structures[1:-1], energies_of)
    return found[: len(structures)], slopes


@pytest.mark.extensive
@pytest.mark.parametrize("representation", ON_ALL_PATHS)
def test_batches_of_many_sizes(representation):
    found, slopes = mixed_results(model_of(representation, "all"))
    assert_right(slopes.force_errors([p.forces for p in found[1:-1]]), "forces")
    assert_right(slopes.virial_errors([p.virial for p in found[1:-1]]), "virial")
    np.testing.assert_allclose(found[0].forces, 0.0, atol=1e-12)
    assert np.abs(found[0].virial).max() > 0.1
    assert not found[-1].forces.any()
    assert not found[-1].virial.any()


@pytest.mark.extensive
@pytest.mark.parametrize("representation", ON_ALL_PATHS)
def test_what_training_sees(representation):
    """Evaluations of packed and padded data sets, of which a fit takes its loss."""
    model, structures = model_of(representation, "all"), mixed_structures()
    known, slopes = mixed_results(model)
    params = params_of(model)
    objective = Objective.of(model, FitConfig(losses=(Loss("energy"), Loss("forces"))))
    found = {}
    with model.scope():
        compute = jax.jit(predict, static_argnums=0)
        for data in pack(model, structures, np.zeros(2), max_shapes=2, batch_size=2):
            constants = {k: v for k, v in params["constants"].items() if k != "reference"}
            result = jax.device_get(compute(objective, params["weights"], constants, data))
            for b, row in enumerate(data.energy.astype(int)):
                n = len(structures[row])
                found[row] = (result.forces[b, :n], result.virial[b], result.energies[b].mean())
                assert not result.forces[b, n:].any()
    assert sorted(found) == list(range(len(structures)))
    rows = range(1, len(structures) - 1)
    assert_right(slopes.force_errors([found[r][0] for r in rows]), "forces")
    assert_right(slopes.virial_errors([found[r][1] for r in rows]), "virial")
    for row, structure in enumerate(structures):
        species = np.searchsorted(model.config.elements, structure.numbers)
        energy = found[row][2] + model.reference_energy(params, species)
        assert energy == pytest.approx(known[row].energy, rel=1e-10)


def atoms_of(structure):
    return ase.Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)


@pytest.mark.extensive
@pytest.mark.parametrize("representation", ON_ALL_PATHS)
def test_the_calculator(representation, tmp_path):
    """Also after atoms have moved by less than the skin of its neighbour list."""
    model = model_of(representation, "all")
    params, slopes = params_of(model), slopes_of(model, 20)
    save_model(tmp_path, model, params)
    calculator = PotentialCalculator(tmp_path, skin_angstrom=0.5)
    forces, virials = {}, {}
    # The cell with most neighbours goes first, so that the number of slots never changes.
    for row in sorted(range(20), key=lambda row: -n_neighbors(cells()[row], CUTOFF + 0.5)):
        structure = cells()[row]
        atoms = atoms_of(structure)
        atoms.calc = calculator
        forces[row] = atoms.get_forces()
        if structure.pbc.all():
            stress = voigt_6_to_full_3x3_stress(atoms.get_stress())
            virials[row] = stress * structure.volume
        built = calculator.graphs.n_builds
        atoms.positions += np.random.default_rng(row).uniform(-0.1, 0.1, (N_ATOMS, 3))
        moved = replace(structure, positions=atoms.positions)
        [fresh] = predict_all(model, params, [moved])
        assert atoms.get_potential_energy() == pytest.approx(fresh.energy, rel=1e-11)
        np.testing.assert_allclose(atoms.get_forces(), fresh.forces, atol=1e-9)
        assert calculator.graphs.n_builds == built
    assert_right(slopes.force_errors([forces[r] for r in range(20)]), "forces")
    bulk = [row for row in range(20) if row in virials]
    found = [virials.get(r, np.eye(3)) for r in range(20)]
    assert_right(slopes.virial_errors(found)[bulk], "stress")


def n_neighbors(structure, cutoff):
    edges = neighbor_edges(structure.positions, structure.cell, structure.pbc, cutoff)
    return np.bincount(edges.receivers, minlength=1).max()


MD = {
    "nve": MDSettings(integrator=VelocityVerlet()),
    "npt": MDSettings(
        integrator=CellRescaling(
            tau_fs=5.0, tau_pressure_fs=5.0, compressibility_per_gpa=0.02, mode="full"
        ),
        pressure_gpa=1.0,
    ),
}


@pytest.mark.extensive
@pytest.mark.parametrize(
    ("representation", "kind", "settings"),
    [
        ("gaussian basis", "slab", "nve"),
        ("few messages", "bulk", "npt"),
    ],
)
def test_frames_of_dynamics(representation, kind, settings):
    model = model_of(representation, "all")
    params = params_of(model)
    starts = [Start(random_structure(kind, seed), seed=seed) for seed in (31, 32)]
    chosen = replace(
        MD[settings], timestep_fs=0.5, n_steps=4, sample_every=2, frames_per_block=3,
        temperature_k=500.0, skin_angstrom=0.3, force_std=False,
    )  # fmt: skip
    results = run_replicas(model, params, starts, chosen)
    assert [r.stop_reason for r in results] == ["completed"] * 2
    frames = [
        replace(start.structure, positions=positions, cell=cell)
        for start, result in zip(starts, results, strict=True)
        for positions, cell in zip(result.positions, result.cells, strict=True)
    ]
    if settings == "npt":
        assert np.abs(np.diff(results[0].cells, axis=0)).max(axis=(1, 2)).min() > 1e-5
    slopes = Slopes(frames, lambda s: [p.energy for p in predict_all(model, params, s)])
    forces = np.concatenate([r.forces for r in results])
    assert_right(slopes.force_errors(forces), "forces")
    energies = np.concatenate([r.energies for r in results])
    expected = [p.energy for p in predict_all(model, params, frames)]
    np.testing.assert_allclose(energies, expected, rtol=1e-10)
    if kind == "bulk":
        virials = np.concatenate([r.stresses * r.volumes[:, None, None] for r in results])
        assert_right(slopes.virial_errors(virials), "stress")


WALL = SphericalWall(1.0, 0.7, (0.2, 0.1, -0.3))
BIASES = {
    "of energies": (
        Calibration(1.7, 0.6),
        GaussianAcceleration(energy_target_ev=40.0, spring_constant_per_ev=0.01),
        UncertaintyBias(height_ev=2.0, width_ev=3.0),
    ),
    "of positions": (UncertaintyBias(height_ev=2.0, width_ev=3.0), WALL),
}


@pytest.mark.extensive
@pytest.mark.parametrize(
    ("representation", "name"),
    [
        ("gaussian basis", "of energies"),
        ("gaussian basis", "of positions"),
        ("few messages", "of energies"),
    ],
)
def test_biases(representation, name):
    model, biases, found = model_of(representation, "all"), BIASES[name], []

    def energies_of(moved):
        everything = [*cells(), *moved]
        size = len(everything)
        found.extend(predict_biased(model, biases, params_of(model), everything, batch_size=size))
        return [p.energy for p in found[len(cells()) :]]

    slopes = Slopes(cells(), energies_of)
    found = found[: len(cells())]
    assert_right(slopes.force_errors([p.forces for p in found]), "forces")
    assert np.abs([p.properties["bias_energy"] for p in found]).max() > 0.1
    if WALL not in biases:  # It has no part in the virial.
        assert_right(slopes.virial_errors([p.virial for p in found]), "virial")
