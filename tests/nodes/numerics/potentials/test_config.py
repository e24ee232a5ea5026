import json

import pytest

from nodes.numerics.potentials.config import ModelConfig


def test_json_round_trip():
    config = ModelConfig(elements=(8, 1, 1), hidden=(4, 5), zbl=True)
    assert config.elements == (1, 8)
    assert ModelConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"elements": ()}, "elements must be atomic numbers, received"),
        ({"cutoff_angstrom": 0.0}, "cutoff_angstrom must be positive, received 0.0"),
        ({"n_contractions": 9}, "n_contractions must be 1 to 8, received 9"),
        ({"n_members": 0}, "n_members must be at least 1, received 0"),
        ({"hidden": ()}, "hidden must name at least one width"),
    ],
)
def test_values_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**({"elements": (1,)} | change))


def test_unknown_keys_are_refused():
    with pytest.raises(ValueError, match=r"known keys, received \['widths'\]"):
        ModelConfig.from_json({"elements": [1], "widths": [3]})
