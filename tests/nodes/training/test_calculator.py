import ase
import ase.build
import jax
import numpy as np
import pytest
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

from nodes.numerics.biases import SphericalWall, UncertaintyBias
from nodes.numerics.potentials import (
    Bessel,
    EnergyModel,
    GaussianMoments,
    ModelConfig,
    Precision,
    PropertyHead,
    Readout,
    save_model,
)
from nodes.training.calculator import PotentialCalculator


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    config = ModelConfig(
        elements=(8, 29),
        cutoff_angstrom=4.0,
        representation=GaussianMoments(n_radial=2, n_contractions=2, basis=Bessel(5)),
        readout=Readout(hidden=(8,)),
        n_members=2,
        heads=(
            PropertyHead("charges", hidden=(4,)),
            PropertyHead("gap", aggregation="mean", hidden=(4,), n_members=3),
        ),
        precision=Precision.double(),
    )
    model = EnergyModel(config)
    save_model(path, model, model.init(jax.random.key(1)))
    return path


@pytest.fixture
def copper(directory):
    atoms = ase.build.bulk("Cu").repeat(2)
    atoms.rattle(0.15, seed=3)
    atoms.calc = PotentialCalculator(directory)
    return atoms


def assert_slopes(atoms):
    """Forces and stress are the slopes of the energy."""
    numerical = calculate_numerical_forces(atoms, eps=1e-4, iatoms=[0, 5])
    np.testing.assert_allclose(atoms.get_forces()[[0, 5]], numerical, rtol=1e-5, atol=1e-7)
    numerical = calculate_numerical_stress(atoms, eps=1e-5)
    np.testing.assert_allclose(atoms.get_stress(), numerical, rtol=1e-5, atol=1e-7)


def test_forces_and_stress_are_the_slopes_of_the_energy(copper):
    assert_slopes(copper)


def test_biases_change_energy_forces_and_stress(copper, directory):
    copper.get_stress()
    bare = copper.calc.results
    bias = UncertaintyBias(height_ev=1.0, width_ev=bare["energy_std"] / 4)  # exp(-1)
    copper.calc = PotentialCalculator(directory, biases=[bias])
    assert_slopes(copper)
    copper.get_stress()
    added = copper.calc.results["bias_energy"]
    assert added == pytest.approx(np.exp(-1.0) - 1.0)
    assert copper.get_potential_energy() == pytest.approx(bare["energy"] + added, abs=1e-9)
    assert np.abs(copper.get_stress() - bare["stress"]).max() > 1e-4


def test_a_bias_must_suit_the_model(directory):
    with pytest.raises(ValueError, match="biases must be such as"):
        PotentialCalculator(directory, biases=["wall"])


def test_the_spread_of_the_ensemble_is_given(copper):
    copper.get_potential_energy()
    assert not {"forces_std", "energies_ensemble", "forces_ensemble"} & set(copper.calc.results)
    assert copper.calc.get_property("energy_std", copper) > 0.0
    spread = copper.calc.get_property("forces_std", copper)
    assert spread.shape == (8, 3)
    assert spread.min() > 0.0
    energies = copper.calc.get_property("energies_ensemble", copper)
    forces = copper.calc.get_property("forces_ensemble", copper)
    assert energies.mean() == pytest.approx(copper.get_potential_energy())
    np.testing.assert_allclose(forces.mean(axis=0), copper.get_forces(), atol=1e-9)
    np.testing.assert_allclose(forces.std(axis=0, ddof=1), spread, atol=1e-9)


def test_property_heads_are_results(copper):
    charges = copper.get_charges()
    assert charges.shape == (8,)
    assert copper.calc.get_property("gap", copper).shape == ()
    assert copper.calc.get_property("gap_std", copper) > 0.0


def test_a_moved_atom_is_computed_anew(copper):
    before = copper.get_potential_energy()
    copper.positions[0, 0] += 0.3
    assert copper.get_potential_energy() != before


@pytest.mark.parametrize("skin", [0.0, 0.8])
def test_the_neighbour_list_is_kept_until_an_atom_has_moved_too_far(directory, skin):
    atoms = ase.build.bulk("Cu").repeat((2, 2, 1))
    kept = atoms.calc = PotentialCalculator(directory, skin_angstrom=skin)
    start = atoms.positions.copy()
    for move in np.random.default_rng(0).uniform(-0.1, 0.1, (5, *start.shape)):
        atoms.positions = start + move
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        [fresh] = kept.calculate_batch([atoms])
        assert energy == pytest.approx(fresh["energy"], abs=1e-10)
        np.testing.assert_allclose(forces, fresh["forces"], atol=1e-10)
        np.testing.assert_allclose(atoms.get_stress(), fresh["stress"], atol=1e-10)
    built = kept.graphs.n_builds
    assert built == (5 if skin == 0.0 else 1)
    atoms.positions[1] += [0.9, 0.0, 0.1]
    atoms.get_potential_energy()
    assert kept.graphs.n_builds == built + 1
    atoms.set_cell(1.02 * atoms.cell.array)
    atoms.get_potential_energy()
    assert kept.graphs.n_builds == built + 2


@pytest.mark.slow
def test_a_batch_is_the_same_as_one_by_one(directory):
    calculator = PotentialCalculator(directory, biases=[SphericalWall(2.0, 0.5)])
    dimer = ase.Atoms("CuO", positions=[[0, 0, 0], [0, 2.5, 1.8]])
    cell = ase.build.bulk("Cu").repeat(2)
    cell.rattle(0.1, seed=2)
    frames = [cell, dimer]
    batch = calculator.calculate_batch(frames, ["forces_std", "forces_ensemble"], batch_size=2)
    assert all(frame.calc is None for frame in frames)
    for frame, found in zip(frames, batch, strict=True):
        calculator.calculate(frame, ["forces_std"])
        assert calculator.results.keys() == found.keys()
        assert ("stress" in found) == (frame is cell)
        for name, value in calculator.results.items():
            np.testing.assert_allclose(found[name], value, atol=1e-9, err_msg=name)
    assert batch[1]["bias_energy"] > 0.0  # the wall


def test_a_molecule_has_no_stress(directory):
    dimer = ase.Atoms("CuO", positions=[[0, 0, 0], [0, 0, 1.8]])
    dimer.calc = PotentialCalculator(directory)
    assert np.isfinite(dimer.get_potential_energy())
    with pytest.raises(PropertyNotImplementedError, match="stress"):
        dimer.get_stress()


def test_an_unknown_element_is_refused(directory):
    atoms = ase.build.molecule("H2")
    atoms.calc = PotentialCalculator(directory)
    with pytest.raises(ValueError, match=r"only the elements \[8, 29\] of the model"):
        atoms.get_potential_energy()


def test_the_skin_must_not_be_negative(directory):
    with pytest.raises(ValueError, match="skin_angstrom must not be negative"):
        PotentialCalculator(directory, skin_angstrom=-0.1)
