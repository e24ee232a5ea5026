import pytest

from nodes.dynamics.config.md import MdConfig
from nodes.schema.reading import ConfigError, check_config


def checked(ensemble):
    return check_config({"duration": 1.0, "initial_structure": "a", "ensemble": ensemble}, MdConfig)


@pytest.mark.parametrize(
    ("ensemble", "message"),
    [
        ({"name": "nvr"}, "ensemble.name must be one of nvt, nve, .* did you mean nvt"),
        ({"name": "nve", "thermostat_chain": {}}, "ensemble.thermostat_chain is not a key"),
        ({"name": "nvt", "thermostat_chain": {"sy_steps": 4}}, "thermostat_chain.sy_steps must be"),
        (
            {
                "name": "nvt",
                "temperature_schedule": {
                    "name": "piecewise", "temperatures": [1, 2], "durations": [3],
                },
            },
            "temperatures and durations must be equally many, received 2 and 1",
        ),
        (
            {"name": "npt", "pressure": {"start": 1, "pressures": [2], "durations": [3, 4]}},
            "pressures and durations must be equally many, received 1 and 2",
        ),
        ({"name": "npt", "pressure": "high"}, "ensemble.pressure must be a valid number"),
    ],
)  # fmt: skip
def test_wrong_ensembles_are_explained(ensemble, message):
    with pytest.raises(ConfigError, match=message):
        checked(ensemble)


def test_defaults_are_those_of_apax():
    ensemble = checked({"name": "npt"}).ensemble
    assert ensemble.dt == 0.5
    assert ensemble.temperature_schedule.T0 == 298.15
    assert ensemble.pressure == 1.01325
    assert (ensemble.thermostat_chain.chain_length, ensemble.thermostat_chain.tau) == (3, 100.0)
    assert ensemble.barostat_chain.tau == 1000.0
