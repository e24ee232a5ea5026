import dataclasses

import pytest

from nodes.numerics.biases import SphericalWall
from nodes.numerics.md import MDSettings
from nodes.numerics.md.checks import MaxForceStd, MaxTemperature
from nodes.numerics.md.moving import CellRescaling, Langevin, NoseHooverChain, VelocityVerlet
from nodes.numerics.md.schedules import Constant, Linear


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ensemble": "npt"}, "ensemble must be 'nve' or 'nvt', received 'npt'"),
        ({"timestep_fs": 0.0}, "timestep_fs must be positive, received 0.0"),
        ({"temperature_k": -1.0}, "temperature_k must not be negative for Langevin"),
        ({"temperature_k": Linear(300.0, -1.0, 10.0)}, "temperature_k must not be negative"),
        ({"temperature_k": 0.0, "integrator": NoseHooverChain()}, "temperature_k must be positive"),
        ({"friction_per_ps": -1.0}, "friction_per_ps must not be negative"),
        ({"sample_every": 0}, "sample_every must be at least 1, received 0"),
        ({"n_steps": 15}, "n_steps must be a multiple of sample_every=10, received 15"),
        ({"check_every": 3}, "check_every must divide sample_every=10, received 3"),
        ({"keep_before": -1}, "keep_before must not be negative, received -1"),
        ({"max_force_std_ev_per_angstrom": 0.0}, "must be positive, received 0.0; None for no"),
        ({"pressure_gpa": 0.0}, "pressure_gpa must be None for Langevin, received 0.0"),
        ({"integrator": CellRescaling()}, "pressure_gpa must be given for CellRescaling"),
        ({"checks": (3,)}, "checks must be specs of md.checks, received 3"),
    ],
)
def test_values_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        MDSettings(**change)


def test_checks_happen_at_each_frame_by_default():
    assert MDSettings(sample_every=5).steps_per_check == 5
    assert MDSettings(sample_every=10, check_every=2).steps_per_check == 2


def test_rules_follow_from_names_and_numbers():
    plain = MDSettings(friction_per_ps=3.0).rules()
    assert plain.integrator == Langevin(3.0)
    assert (plain.temperature, plain.pressure, plain.checks) == (Constant(300.0), None, ())
    assert MDSettings(ensemble="nve").rules().integrator == VelocityVerlet()
    given = MDSettings(
        integrator=CellRescaling(), pressure_gpa=1, temperature_k=Linear(100.0, 200.0, 50.0),
        checks=[MaxTemperature(1e3)], max_force_std_ev_per_angstrom=0.5,
        biases=[SphericalWall(5.0, 1.0)],
    )  # fmt: skip
    rules = given.rules()
    assert (rules.integrator, rules.pressure) == (CellRescaling(), Constant(1.0))
    assert rules.checks == (MaxTemperature(1e3), MaxForceStd(0.5))
    assert (plain.biases, rules.biases) == ((), (SphericalWall(5.0, 1.0),))
    assert given.start_temperature_k == 100.0
    assert dataclasses.replace(given, seed=3).rules() == rules
