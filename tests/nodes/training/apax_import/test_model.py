import numpy as np
import pytest
import ruamel.yaml

from nodes.atoms import structures_of
from nodes.training.apax_import.checkpoint import read_weights
from nodes.training.apax_import.model import load_apax_model, trained_elements

ENERGY_TOLERANCE_EV_PER_ATOM = 1e-6
FORCES_TOLERANCE_EV_PER_ANGSTROM = 1e-5


def predict(directories, frames, *, forces_std=False, elements=None):
    model, params = load_apax_model(directories, elements)
    structures = structures_of(frames)
    return model, model.predict_many(params, structures, forces_std=forces_std)


def assert_same(predictions, expected, frames):
    """Energies and forces are those of apax, within the tolerances above."""
    counts = np.array([len(frame) for frame in frames])
    energies = np.array([prediction.energy for prediction in predictions])
    forces = np.concatenate([prediction.forces for prediction in predictions])
    error = np.abs(energies - expected["energy"].reshape(-1)) / counts
    assert error.max() < ENERGY_TOLERANCE_EV_PER_ATOM
    assert np.abs(forces - expected["forces"]).max() < FORCES_TOLERANCE_EV_PER_ANGSTROM
    assert np.abs(expected["forces"]).max() > 1e3 * FORCES_TOLERANCE_EV_PER_ANGSTROM


def test_fifty_frames_have_the_energies_and_forces_of_apax(data, frames, expected):
    model, predictions = predict(data / "bessel", frames)
    assert len(frames) == 50
    assert model.config.elements == (29, 79)
    assert_same(predictions, expected("bessel"), frames)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["single", "gaussian", "exponential", "equivariant"])
def test_every_kind_of_model_predicts_what_apax_does(name, data, frames, expected):
    reference = expected(name)
    chosen = frames[: len(reference["energy"])]
    _, predictions = predict(data / name, chosen)
    assert_same(predictions, reference, chosen)


@pytest.mark.slow
def test_corrections_add_what_they_add_in_apax(data, frames, expected):
    reference = expected("corrected")
    chosen = frames[: len(reference["energy"])]
    _, predictions = predict(data / "corrected", chosen)
    # apax switches corrections off in float32, which is seen in the sixth digit of the switch.
    energies = np.array([prediction.energy for prediction in predictions])
    counts = np.array([len(frame) for frame in chosen])
    np.testing.assert_allclose(
        energies / counts, reference["energy"].reshape(-1) / counts, atol=5e-6
    )
    forces = np.concatenate([prediction.forces for prediction in predictions])
    np.testing.assert_allclose(forces, reference["forces"], atol=1e-4)


def test_a_shallow_ensemble_has_the_spread_and_stress_of_apax(data, frames, expected):
    reference = expected("shallow")
    chosen = frames[: len(reference["energy"])]
    _, predictions = predict(data / "shallow", chosen, forces_std=True)
    assert_same(predictions, reference, chosen)
    spread = [prediction.energy_std for prediction in predictions]
    np.testing.assert_allclose(spread, reference["energy_uncertainty"].reshape(-1), rtol=1e-6)
    forces_std = np.concatenate([prediction.forces_std for prediction in predictions])
    np.testing.assert_allclose(forces_std, reference["forces_uncertainty"], atol=1e-6)
    # In the narrower cells of the other frames the stress of apax is not even symmetric.
    np.testing.assert_allclose(predictions[0].stress, reference["stress"][0], atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full", "pair"])
def test_a_full_ensemble_has_the_mean_and_spread_of_apax(name, data, frames, expected):
    reference = expected(name)
    chosen = frames[: len(reference["energy"])]
    source = [data / "bessel", data / "member"] if name == "pair" else data / name
    model, predictions = predict(source, chosen, forces_std=True)
    assert_same(predictions, reference, chosen)
    # apax divides by the number of members, not by one less; corrections have no spread here.
    factor = np.sqrt(1.0 - 1.0 / model.config.n_members)
    spread = factor * np.array([prediction.energy_std for prediction in predictions])
    tolerance = 1e-6 if name == "pair" else 0.05
    np.testing.assert_allclose(spread, reference["energy_uncertainty"].reshape(-1), rtol=tolerance)


@pytest.mark.extensive
@pytest.mark.parametrize("name", ["bessel"])
def test_a_cluster_is_not_periodic(name, data, expected, cluster):
    reference = {key.removeprefix("cluster_"): value for key, value in expected(name).items()}
    _, predictions = predict(data / name, [cluster])
    assert predictions[0].energy / len(cluster) == pytest.approx(
        reference["energy"].item() / len(cluster), abs=ENERGY_TOLERANCE_EV_PER_ATOM
    )
    np.testing.assert_allclose(predictions[0].forces, expected(name)["cluster_forces"], atol=1e-5)


@pytest.mark.slow
def test_property_heads_predict_what_they_do_in_apax(data, frames, expected):
    reference = expected("heads")
    chosen = frames[: len(reference["energy"])]
    _, predictions = predict(data / "heads", chosen)
    assert_same(predictions, reference, chosen)
    found = [prediction.properties for prediction in predictions]
    charges = np.concatenate([properties["charges"] for properties in found])
    np.testing.assert_allclose(charges, reference["charges"][:, 0], atol=1e-6)
    mean = [properties["mean_charge"] for properties in found]
    np.testing.assert_allclose(mean, reference["mean_charge"][:, 0], atol=1e-6)
    gap = np.stack([properties["gap"] for properties in found])
    np.testing.assert_allclose(gap.mean(axis=-1), reference["gap"][:, 0], rtol=1e-5)
    # What apax calls the uncertainty of a head is a variance.
    variance = gap.var(axis=-1, ddof=1)
    np.testing.assert_allclose(variance, reference["gap_uncertainty"][:, 0], rtol=1e-4)


def test_property_heads_of_a_full_ensemble_are_refused_by_name(data):
    with pytest.raises(ValueError, match=r"must be empty in a full ensemble.*charges.*gap"):
        load_apax_model([data / "heads", data / "heads"])


@pytest.mark.extensive
def test_elements_may_be_named(data, frames):
    copper = frames[0].copy()
    copper.symbols[:] = "Cu"
    _, [small] = predict(data / "bessel", [copper], elements=[29])
    model, [large] = predict(data / "bessel", [copper], elements=[79, 29, 47])
    assert model.config.elements == (29, 47, 79)
    assert small.energy == pytest.approx(large.energy, abs=1e-9)


def test_elements_must_be_named_if_tables_do_not_tell(data):
    weights = read_weights(data / "bessel")
    assert trained_elements(weights) == [29, 79]
    for name in ("scale", "shift"):
        weights[f"scale_shift.{name}_per_element"][:] = 1.0
    with pytest.raises(ValueError, match="elements must be given for this model"):
        trained_elements(weights)


def test_members_must_be_of_one_shape(data):
    with pytest.raises(ValueError, match=r"same section model, received another .*nn"):
        load_apax_model([data / "bessel", data / "single"])
    with pytest.raises(ValueError, match=r"model\.ensemble must be null in members"):
        load_apax_model([data / "shallow", data / "shallow"])
    with pytest.raises(ValueError, match="at least one model"):
        load_apax_model([])


def test_a_config_of_another_training_is_refused(copied):
    folder = copied("bessel")
    yaml = ruamel.yaml.YAML()
    content = yaml.load(folder / "config.yaml")
    content["model"]["nn"] = [8, 9]
    yaml.dump(content, folder / "config.yaml")
    with pytest.raises(ValueError, match=r"shapes that config\.yaml says"):
        load_apax_model(folder)
