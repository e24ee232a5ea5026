import json

import pytest

from nodes.numerics.potentials import (
    EquivariantMessages,
    Gaussian,
    GaussianMoments,
    ModelConfig,
    Precision,
    Readout,
    Zbl,
)

CONFIGS = [
    ModelConfig(
        elements=(8, 1, 1),
        representation=GaussianMoments(n_radial=3, basis=Gaussian(5, 0.3, "exponential")),
        readout=Readout(hidden=(4, 5), ntk=True),
        corrections=(Zbl(),),
        precision=Precision.double(),
    ),
    ModelConfig(elements=(1, 8), representation=EquivariantMessages(4), ensemble="full"),
]


@pytest.mark.parametrize("config", CONFIGS, ids=["moments", "messages"])
def test_json_round_trip(config):
    assert config.elements == (1, 8)
    assert ModelConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"elements": ()}, "elements must be atomic numbers, received"),
        ({"cutoff_angstrom": 0.0}, "cutoff_angstrom must be positive, received 0.0"),
        ({"n_members": 0}, "n_members must be at least 1, received 0"),
        ({"ensemble": "deep"}, "ensemble must be 'shallow' or 'full', received 'deep'"),
        ({"corrections": (Zbl(), Zbl())}, "corrections must have different names"),
    ],
)
def test_values_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**({"elements": (1,)} | change))


def test_unknown_keys_are_refused():
    with pytest.raises(ValueError, match=r"known keys .*, received \['widths'\]"):
        ModelConfig.from_json({"elements": [1], "widths": [3]})


def test_unknown_parts_are_refused():
    record = CONFIGS[0].to_json()
    record["representation"]["kind"] = "Moments"
    with pytest.raises(ValueError, match=r"kind must be one of .* received 'Moments'"):
        ModelConfig.from_json(record)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianMoments(n_contractions=9), "n_contractions must be 1 to 8, received 9"),
        (lambda: GaussianMoments(n_radial=0), "n_radial must be at least 1, received 0"),
        (lambda: GaussianMoments(contraction=False), "n_radial must be n_basis=16 without"),
        (lambda: GaussianMoments(coefficients="ones"), "coefficients must be 'orthogonal'"),
        (lambda: GaussianMoments(direction_offset_angstrom=-1.0), "must not be negative"),
        (lambda: Readout(hidden=()), "hidden must name at least one width"),
        (lambda: Readout(activation="nonsense"), "activation must be 'scaled_silu' or"),
        (lambda: Readout(weight_init="ones"), "weight_init must be 'normal' or 'lecun'"),
        (lambda: Readout(bias_init="ones"), "bias_init must be 'zeros' or 'normal'"),
        (lambda: Precision(readout="float16"), "readout must be 'default', 'float32' or"),
        (lambda: Gaussian(spacing="log"), "spacing must be 'linear' or 'exponential'"),
        (lambda: Gaussian(r_min_angstrom=-1.0), "r_min_angstrom must not be negative"),
    ],
)
def test_parts_check_their_values(make, message):
    with pytest.raises(ValueError, match=message):
        make()
