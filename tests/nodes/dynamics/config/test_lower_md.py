import pytest

from nodes.dynamics.config.lower_md import GPA_PER_BAR, lower_md, n_steps_of
from nodes.dynamics.config.md import MdConfig
from nodes.numerics.md import moving, schedules
from nodes.schema.reading import check_config


def lowered(**values):
    content = {"duration": 100.0, "initial_structure": "a.xyz"} | values
    return lower_md(check_config(content, MdConfig))


def test_times_are_in_steps_as_in_apax():
    settings = lowered(ensemble={"name": "nvt", "dt": 2.0, "thermostat_chain": {"tau": 50}})
    assert settings.integrator == moving.NoseHooverChain(tau_fs=100.0)
    assert settings.timestep_fs == 2.0
    assert settings.n_steps == 50
    ramp = {
        "name": "piecewise", "T0": 100.0, "temperatures": [200.0, 300.0], "durations": [10, 20],
    }  # fmt: skip
    settings = lowered(ensemble={"name": "langevin", "dt": 2.0, "temperature_schedule": ramp})
    assert settings.temperature_k == schedules.Piecewise(100.0, (200.0, 300.0), (20.0, 40.0))


def test_pressures_are_in_bar():
    settings = lowered(ensemble={"name": "npt", "pressure": 10_000.0, "cell": "full"})
    assert settings.pressure_gpa.value == pytest.approx(1.0)
    assert settings.integrator.mode == "full"
    assert settings.integrator.tau_pressure_fs == 500.0
    assert pytest.approx(1e-4) == GPA_PER_BAR
    water = lowered(ensemble={"name": "cell_rescaling"}).integrator
    assert water.compressibility_per_gpa == pytest.approx(0.46)


def test_the_length_is_the_next_multiple_of_the_sampling_rate():
    def steps(duration, dt):
        content = {"duration": duration, "initial_structure": "a", "ensemble": {"name": "nvt"}}
        content["ensemble"]["dt"] = dt
        return n_steps_of(check_config(content, MdConfig))

    assert steps(100.0, 0.1) == 1000
    assert steps(100.0, 0.3) == 340
    assert steps(1e-3, 0.5) == 10


def test_blocks_hold_as_many_frames_as_asked_for():
    assert lowered(n_inner=500, sampling_rate=10).frames_per_block == 50
    assert lowered(n_inner=500, sampling_rate=10, buffer_size=20).frames_per_block == 20
    assert lowered(n_inner=1, sampling_rate=10).frames_per_block == 1


def test_uncertainty_of_forces_is_evaluated_if_it_is_kept():
    assert lowered().force_std
    assert not lowered(properties=["energy"]).force_std
