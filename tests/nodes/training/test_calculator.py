import ase
import ase.build
import jax
import numpy as np
import pytest
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

from nodes.numerics.potentials import EnergyModel, ModelConfig, save_model
from nodes.training.calculator import PotentialCalculator


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    config = ModelConfig(
        elements=(8, 29),
        cutoff_angstrom=4.0,
        n_basis=6,
        n_radial=3,
        n_contractions=2,
        hidden=(8,),
        n_members=2,
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


def test_forces_and_stress_are_the_slopes_of_the_energy(copper):
    numerical = calculate_numerical_forces(copper, eps=0.01, iatoms=[0, 5])
    np.testing.assert_allclose(copper.get_forces()[[0, 5]], numerical, atol=5e-3)
    numerical = calculate_numerical_stress(copper, eps=3e-3)
    np.testing.assert_allclose(copper.get_stress(), numerical, atol=2e-3)


def test_the_spread_of_the_ensemble_is_given(copper):
    copper.get_potential_energy()
    assert "forces_std" not in copper.calc.results
    assert copper.calc.get_property("energy_std", copper) > 0.0
    spread = copper.calc.get_property("forces_std", copper)
    assert spread.shape == (8, 3)
    assert spread.min() > 0.0


def test_a_moved_atom_is_computed_anew(copper):
    before = copper.get_potential_energy()
    copper.positions[0, 0] += 0.3
    assert copper.get_potential_energy() != before


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
