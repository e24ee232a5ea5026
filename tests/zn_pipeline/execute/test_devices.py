"""GPUs dealt out to workers."""

import pytest

from zn_pipeline.execute.devices import Devices, visible


def test_each_gpu_has_one_user():
    devices = Devices(["0", "1", "2"])
    assert devices.take(0) == ()
    first = devices.take(2)
    assert first == ("0", "1")
    assert devices.take(2) is None
    assert devices.take(1) == ("2",)
    devices.give_back(first)
    assert devices.take(2) == first


def test_who_demands_more_than_there_are_gets_all():
    assert Devices(["0"]).take(4) == ("0",)
    assert Devices([]).take(1) == ()


@pytest.mark.parametrize(("told", "seen"), [("3, 5", ["3", "5"]), ("", [])])
def test_the_environment_says_what_is_visible(monkeypatch, told, seen):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    assert visible() == seen
