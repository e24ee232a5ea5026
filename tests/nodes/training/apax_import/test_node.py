import numpy as np
import pytest

import zn_pipeline as zn
from nodes.interfaces import HasCalculator, HasEnergyModel, HasFeatures, HasPredictions
from nodes.training.apax_import.node import ImportApax


@pytest.fixture(scope="module")
def imported(data, tmp_path_factory):
    node = ImportApax(
        source=data / "shallow", directory=tmp_path_factory.mktemp("imported") / "model"
    )
    node.run()
    return node


def test_the_saved_model_predicts_what_apax_does(imported, frames, expected):
    reference = expected("shallow")
    predicted = imported.predict(frames[:2])
    energies = [frame.get_potential_energy() for frame in predicted]
    np.testing.assert_allclose(energies, reference["energy"].reshape(-1)[:2], atol=1e-6)
    forces = np.concatenate([frame.get_forces() for frame in predicted])
    np.testing.assert_allclose(forces, reference["forces"][: len(forces)], atol=1e-5)


def test_the_calculator_is_that_of_the_model(imported, frames, expected):
    atoms = frames[0].copy()
    atoms.calc = imported.get_calculator()
    assert atoms.get_potential_energy() == pytest.approx(expected("shallow")["energy"][0].item())


def test_the_node_has_every_interface_of_a_model(imported):
    for interface in (HasCalculator, HasEnergyModel, HasFeatures, HasPredictions):
        assert isinstance(imported, interface)


def test_features_are_those_of_the_last_layer(imported, frames):
    features = imported.features(frames[:2])
    assert features.shape == (2, 9)
    # The bias of the last layer moves an atom's energy by its scale.
    _, params = imported.energy_model()
    scale = np.asarray(params["weights"]["scale"])
    mean = [np.mean(scale[(frame.numbers == 79).astype(int)]) for frame in frames[:2]]
    np.testing.assert_allclose(features[:, -1], mean, rtol=1e-6)


def test_symbols_choose_the_elements(data, tmp_path):
    node = ImportApax(source=data / "bessel", elements=["Au"], directory=tmp_path / "model")
    node.run()
    assert node.energy_model()[0].config.elements == (79,)


@pytest.mark.parametrize("elements", [[], ["Xy"]])
def test_elements_must_be_symbols(data, tmp_path, elements):
    node = ImportApax(source=data / "bessel", elements=elements, directory=tmp_path / "model")
    with pytest.raises(ValueError, match="elements must be chemical symbols"):
        node.run()


@pytest.mark.slow
def test_several_directories_are_an_ensemble(data, tmp_path):
    node = ImportApax(source=[data / "bessel", data / "member"], directory=tmp_path / "model")
    node.run()
    config = node.energy_model()[0].config
    assert (config.ensemble, config.n_members) == ("full", 2)


def test_the_node_keeps_the_contract(data):
    zn.testing.check_node(ImportApax, source=data / "bessel")
