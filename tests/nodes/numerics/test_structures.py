import numpy as np
import pytest

from nodes.numerics.structures import Structure


def test_arrays_are_converted_and_copied():
    positions = np.zeros((1, 3))
    structure = Structure([1], positions, np.eye(3), True, energy=1)
    positions[:] = 5
    assert not structure.positions.any()
    assert structure.pbc.tolist() == [True] * 3
    assert structure.volume == pytest.approx(1.0)
    assert len(structure) == 1


def test_volume_needs_three_periodic_directions():
    assert Structure([1], np.zeros((1, 3)), np.eye(3), [True, True, False]).volume is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": np.zeros((2, 3))}, r"positions must have shape \(1, 3\), received \(2, 3\)"),
        ({"numbers": [0]}, "numbers must be atomic numbers"),
        ({"forces": np.full((1, 3), np.nan)}, "forces must be finite, received NaN"),
        ({"energy": np.inf}, "energy must be finite"),
    ],
)
def test_values_are_checked(change, message):
    valid = {"numbers": [1], "positions": np.zeros((1, 3)), "cell": np.eye(3), "pbc": True}
    with pytest.raises(ValueError, match=message):
        Structure(**(valid | change))
