import numpy as np
import pytest

from nodes.numerics.relax import FIRE, LBFGS, RelaxSettings


def test_names_and_objects_are_optimizers():
    assert RelaxSettings(optimizer="FIRE").method == FIRE()
    assert RelaxSettings(optimizer=LBFGS(memory=5)).method.memory == 5


def test_the_mask_is_in_the_order_of_voigt():
    mask = RelaxSettings(relax_cell="full", cell_mask=(1, 0, 0, 1, 0, 0)).strain_mask
    np.testing.assert_array_equal(mask, [[1, 0, 0], [0, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fmax_ev_per_angstrom": 0.0}, "fmax_ev_per_angstrom must be positive, received 0.0"),
        ({"max_steps": -1}, "max_steps must be 0 or more, received -1"),
        ({"batch_size": 0}, "batch_size must be 1 or more, received 0"),
        ({"optimizer": "SD"}, "optimizer must be one of LBFGS, FIRE, received 'SD'"),
        ({"relax_cell": "all"}, "relax_cell must be one of none, full, .* received 'all'"),
        ({"cell_mask": (1, 1)}, "cell_mask must be 6 values"),
        ({"relax_cell": "full", "cell_mask": (0,) * 6}, "not all false"),
        ({"pressure_gpa": 1.0}, "must be left alone for a fixed cell"),
        ({"relax_cell": "isotropic", "cell_mask": (0, 0, 0, 1, 0, 0)}, "some of xx, yy, zz"),
        ({"relax_cell": "fixed_volume", "pressure_gpa": 1.0}, "must be 0 for a fixed volume"),
    ],
)
def test_settings_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        RelaxSettings(**fields)
