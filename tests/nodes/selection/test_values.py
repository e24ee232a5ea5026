import ase.build
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from nodes.selection.values import frame_values


def test_each_name_gives_its_value():
    frame = ase.build.bulk("Cu", cubic=True)
    frame.calc = SinglePointCalculator(frame, energy=-8.0)
    frame.info["spread"] = 0.25
    frame.arrays["forces_std"] = np.array([[0.0, 3.0, 4.0], [1, 1, 1], [0, 0, 0], [2, 0, 0]], float)
    frame.arrays["charge"] = np.array([0.5, -2.0, 0.0, 1.0])
    found = {
        name: frame_values([frame], name).tolist()
        for name in ("energy", "volume", "info.spread", "arrays.forces_std", "arrays.charge")
    }
    assert found.pop("volume") == pytest.approx([frame.get_volume() / 4])
    assert found == {
        "energy": [-2.0],
        "info.spread": [0.25],
        "arrays.forces_std": [5.0],
        "arrays.charge": [2.0],
    }


def test_a_missing_value_is_named():
    with pytest.raises(ValueError, match=r"structure 0 must have one number named 'arrays.x'"):
        frame_values([ase.build.bulk("Cu")], "arrays.x")
