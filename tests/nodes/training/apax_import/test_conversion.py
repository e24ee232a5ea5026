import numpy as np
import pytest

from nodes.numerics.potentials.gaussian_moments import RADIAL_UNIT
from nodes.training.apax_import.checkpoint import read_weights
from nodes.training.apax_import.config import read_model_section
from nodes.training.apax_import.conversion import model_config, model_parameters

COPPER, GOLD = 29, 79


def test_the_shape_of_a_model_is_read_from_its_section(data):
    config = model_config(read_model_section(data / "gaussian"), (COPPER, GOLD))
    assert config.cutoff_angstrom == 3.4
    moments = config.representation
    assert (moments.basis.name, moments.basis.n_basis, moments.basis.spacing) == (
        "gaussian", 4, "linear",
    )  # fmt: skip
    assert (moments.n_contractions, moments.direction_offset_angstrom) == (5, 1e-5)
    assert (config.readout.hidden, config.readout.ntk) == ((8, 8), True)
    assert config.n_members == 1


def test_radial_functions_that_are_not_learned(data):
    section = read_model_section(data / "bessel") | {"emb_init": None}
    moments = model_config(section, (COPPER,)).representation
    assert (moments.contraction, moments.n_radial) == (False, section["basis"]["n_basis"])


def test_only_rows_of_the_elements_are_kept(data):
    section, weights = read_model_section(data / "bessel"), read_weights(data / "bessel")
    config = model_config(section, (GOLD,))
    params = model_parameters(section, weights, config)
    shift = weights["scale_shift.shift_per_element"][GOLD, 0]
    np.testing.assert_allclose(params["constants"]["reference"], [shift])
    assert params["constants"]["reference"].dtype == np.float64
    table = weights["representation.radial_fn.atomic_type_embedding"]
    radial = RADIAL_UNIT * np.asarray(params["weights"]["representation"]["radial"])
    np.testing.assert_array_equal(radial, table[GOLD, GOLD][None, None])


def test_rows_of_the_first_layer_change_places_and_none_is_lost(data):
    section, weights = read_model_section(data / "bessel"), read_weights(data / "bessel")
    params = model_parameters(section, weights, model_config(section, (COPPER, GOLD)))
    ours, theirs = (np.asarray(params["weights"]["layers"][0]["w"]), weights["readout.dense_0.w"])
    assert not np.array_equal(ours, theirs)
    np.testing.assert_array_equal(np.sort(ours, axis=0), np.sort(theirs, axis=0))


def test_weights_of_another_shape_are_refused(data):
    section, weights = read_model_section(data / "bessel"), read_weights(data / "bessel")
    weights["readout.dense_0.b"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"shapes that config\.yaml says, received \(3,\)"):
        model_parameters(section, weights, model_config(section, (COPPER, GOLD)))
