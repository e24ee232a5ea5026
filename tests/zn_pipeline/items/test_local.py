"""Processes of this machine."""

import os

import pytest

import zn_pipeline as zn
from zn_pipeline.items.local import ProcessBackend


def test_each_worker_has_its_environment(structures, store):
    def device(atoms):
        return os.environ["DEVICE"]

    backend = ProcessBackend(2, 1, ({"DEVICE": "0"}, {"DEVICE": "1"}))
    assert set(zn.map(device, structures, store=store, where=backend)) <= {"0", "1"}


def test_workers_end_with_the_map(structures, store):
    pids = zn.map(lambda atoms: os.getpid(), structures, store=store, where=2)
    assert os.getpid() not in pids
    for pid in set(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_there_must_be_a_worker():
    with pytest.raises(ValueError, match="workers must be at least 1, received 0"):
        ProcessBackend(0)
