import pytest

from nodes.numerics.md import MDSettings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ensemble": "npt"}, "ensemble must be 'nve' or 'nvt', received 'npt'"),
        ({"timestep_fs": 0.0}, "timestep_fs must be positive, received 0.0"),
        ({"temperature_k": -1.0}, "temperature_k must not be negative"),
        ({"sample_every": 0}, "sample_every must be at least 1, received 0"),
        ({"n_steps": 15}, "n_steps must be a multiple of sample_every=10, received 15"),
        ({"check_every": 3}, "check_every must divide sample_every=10, received 3"),
        ({"max_force_std_ev_per_angstrom": 0.0}, "must be positive, received 0.0; None for no"),
    ],
)
def test_values_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        MDSettings(**change)


def test_uncertainty_is_checked_at_each_frame_by_default():
    assert MDSettings(sample_every=5).steps_per_check == 5
    assert MDSettings(sample_every=10, check_every=2).steps_per_check == 2
