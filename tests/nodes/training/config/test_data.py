import pytest

from nodes.schema.reading import ConfigError, check_config
from nodes.training.config.data import DataConfig


def checked(**values):
    return check_config({"directory": "m", "experiment": "e"} | values, DataConfig)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "must have either data_path or train_data_path"),
        ({"data_path": "a", "train_data_path": "b"}, "must have either"),
        ({"data_path": "a", "val_data_path": "b"}, "val_data_path together with train_data_path"),
        ({"data_path": "a", "pos_unit": "nm"}, "pos_unit must be one of Ang, Bohr, received 'nm'"),
        ({"data_path": "a", "shift_options": {"E0s": {"Cu": 1}}}, "must be among"),
        ({"data_path": "a", "shift_method": "isolated_atom_energy_shift"}, "must have E0s"),
        ({"data_path": "a", "scale_method": "global_custom_scale"}, "must have factor"),
        (
            {
                "data_path": "a", "scale_method": "per_element_custom_scale",
                "scale_options": {"factors": {"Xx": 1.0}},
            },
            "must be atomic numbers or symbols, received",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_explained(values, message):
    with pytest.raises(ConfigError, match=message):
        checked(**values)


def test_defaults_are_those_of_apax():
    data = checked(data_path="a")
    assert (data.n_train, data.n_valid, data.batch_size, data.valid_batch_size) == (
        1000, 100, 32, 100,
    )  # fmt: skip
    assert (data.pos_unit, data.energy_unit) == ("Ang", "eV")
    assert data.shift_method == "per_element_regression_shift"
    assert data.scale_method == "per_element_force_rms_scale"
