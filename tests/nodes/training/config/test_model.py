import pytest
from pydantic import TypeAdapter

from nodes.schema.reading import ConfigError, check_config
from nodes.training.config.model import Ensemble, Gmnn


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"n_members": 3}, "full"),
        ({"n_members": 3, "force_variance": False}, "shallow"),
        ({"n_members": 3, "chunk_size": 2}, "shallow"),
        ({"n_members": 3, "kind": "shallow"}, "shallow"),
    ],
)
def test_the_kind_of_an_ensemble_may_be_left_out_as_in_apax(given, kind):
    assert TypeAdapter(Ensemble).validate_python(given).kind == kind


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_contr": 9}, "n_contr must be less than or equal to 8, received 9"),
        ({"nn": []}, "nn"),
        ({"property_heads": [{"name": "a"}, {"name": "a"}]}, "names in property_heads must differ"),
        ({"basis": {"name": "bessel", "r_min": 1.0}}, "basis.r_min is not a key"),
    ],
)
def test_what_does_not_fit_is_explained(values, message):
    with pytest.raises(ConfigError, match=message):
        check_config(values, Gmnn)
