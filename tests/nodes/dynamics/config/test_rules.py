import pytest

from nodes.dynamics.config.md import MdConfig
from nodes.schema.reading import ConfigError, check_config


def checked(**values):
    return check_config({"duration": 1.0, "initial_structure": "a"} | values, MdConfig)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"constraints": [{"name": "fixatom", "indices": [1]}]}, "did you mean fixatoms"),
        ({"constraints": [{"name": "fixatoms", "indices": []}]}, "constraints.0.indices"),
        ({"dynamics_checks": [{"name": "bond", "max_stretch": 1.0}]}, "greater than 1"),
        ({"dynamics_checks": [{"name": "forces_uncertainty"}]}, "0.threshold must be given"),
        ({"biases": [{"name": "cube"}]}, "biases.0.name must be one of spherical_wall"),
    ],
)
def test_wrong_rules_are_explained(values, message):
    with pytest.raises(ConfigError, match=message):
        checked(**values)


def test_a_centre_of_mass_has_a_name_or_three_numbers():
    for position in ("origin", [1.0, 2.0, 3.0]):
        rule = {"name": "fixcenterofmass", "position": position}
        assert checked(constraints=[rule]).constraints[0].position in (position, (1.0, 2.0, 3.0))
    with pytest.raises(ConfigError, match=r"constraints\.0\.position"):
        checked(constraints=[{"name": "fixcenterofmass", "position": [1.0]}])
