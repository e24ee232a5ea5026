import jax
import numpy as np
import pytest

from nodes.numerics.fit.config import FitConfig
from nodes.numerics.fit.placement import is_resident, mesh_of, place

DATA = ({"a": np.zeros(1024**2, np.float32)},)
MIB = 1.0 / 1024.0


def test_data_stay_on_the_device_as_long_as_they_fit():
    assert is_resident(DATA, FitConfig())
    assert is_resident(DATA, FitConfig(resident_gib=4 * MIB))
    assert not is_resident(DATA, FitConfig(resident_gib=3.9 * MIB))


def test_one_device_needs_no_mesh():
    assert mesh_of(FitConfig(n_devices=1)) is None
    placed = place(DATA, None)[0]["a"]
    assert isinstance(placed, jax.Array)


def test_too_many_devices_are_refused():
    with pytest.raises(ValueError, match=r"n_devices must be at most .* and divide the batch"):
        mesh_of(FitConfig(n_devices=1 + len(jax.devices())))
