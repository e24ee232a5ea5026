import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from nodes.atoms import structures_of
from nodes.numerics.potentials import EnergyModel
from nodes.training.apax_import.checkpoint import read_weights
from nodes.training.apax_import.config import read_model_section
from nodes.training.apax_import.conversion import model_config, model_parameters
from nodes.training.apax_import.corrections import correction_weights

ELEMENTS = [29, 79]
COULOMB_EV_ANGSTROM = 14.399645
SCREENING = np.array([3.19980, 0.94229, 0.4029, 0.20162])


def pair_energies(atoms, found):
    """Energies in eV of both corrections of the model, from sums over all directed pairs."""
    centers, others, r = neighbor_list("ijd", atoms, 3.0)
    zi, zj = atoms.numbers[centers].astype(float), atoms.numbers[others].astype(float)
    x = r * (zi**0.23 + zj**0.23) / 0.46850
    screening = np.exp(-np.outer(x, SCREENING)) @ found["zbl"]["coefficients"]
    bare = COULOMB_EV_ANGSTROM * found["zbl"]["prefactor"] * zi * zj / r
    zbl = 0.5 * np.sum(bare * screening * switch(r, 3.0))
    row = (atoms.numbers == ELEMENTS[1]).astype(int)
    strength, length = found["exponential"]["strength"][row], found["exponential"]["length"][row]
    a, b = length[centers], length[others]
    decay = np.exp(-r * (a + b) / (a * b)) / r**2
    products = strength[centers] * strength[others]
    return zbl, np.sum(products * decay * switch(r, 2.8))


def switch(r, r_max):
    return 0.5 * (np.cos(np.pi * np.minimum(r, r_max) / r_max) + 1.0)


def test_the_trained_numbers_give_the_energies_of_apax(data, frames, expected):
    section, weights = read_model_section(data / "corrected"), read_weights(data / "corrected")
    found = correction_weights(section, weights, ELEMENTS)
    section["empirical_corrections"] = []
    config = model_config(section, ELEMENTS)
    model = EnergyModel(config)
    params = model_parameters(section, weights, config)
    learned = model.predict_many(params, structures_of(frames[:5]))
    added = np.array([pair_energies(frame, found) for frame in frames[:5]])
    total = np.array([prediction.energy for prediction in learned]) + added.sum(axis=1)
    counts = np.array([len(frame) for frame in frames[:5]])
    assert np.all(np.abs(added) > 1e-3)
    error = (total - expected("corrected")["energy"].reshape(-1)) / counts
    # apax switches corrections off in float32, which is seen in the sixth digit of the switch.
    np.testing.assert_allclose(error, 0.0, atol=5e-6)


def test_members_share_the_mean_repulsion_of_nuclei(data):
    section, weights = read_model_section(data / "full"), read_weights(data / "full")
    found = correction_weights(section, weights, ELEMENTS)["zbl"]
    own = [
        correction_weights(section, {name: array[member] for name, array in weights.items()}, [29])
        for member in range(3)
    ]
    products = [zbl["zbl"]["prefactor"] * zbl["zbl"]["coefficients"] for zbl in own]
    np.testing.assert_allclose(
        found["prefactor"] * found["coefficients"], np.mean(products, axis=0), rtol=1e-12
    )
    assert found["coefficients"].sum() == pytest.approx(1.0)


def test_members_with_different_exponentials_are_refused(data):
    section, weights = read_model_section(data / "corrected"), read_weights(data / "corrected")
    stacked = {name: np.stack([array, 1.1 * array]) for name, array in weights.items()}
    with pytest.raises(ValueError, match=r"empirical_corrections\[1\] must have the same numbers"):
        correction_weights(section, stacked, ELEMENTS)
