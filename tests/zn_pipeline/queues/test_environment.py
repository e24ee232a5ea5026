"""Threads and GPUs of workers."""

import pytest

from zn_pipeline.queues.environment import worker_environment
from zn_pipeline.resources import Resources


def test_threads_are_the_cores():
    variables = worker_environment(Resources(cpus=6))
    assert variables["OMP_NUM_THREADS"] == variables["MKL_NUM_THREADS"] == "6"
    assert variables["OPENBLAS_NUM_THREADS"] == "6"


def test_batch_systems_deal_out_their_gpus_themselves():
    assert "CUDA_VISIBLE_DEVICES" not in worker_environment(Resources(gpus=2))


@pytest.mark.parametrize(
    ("visible", "gpus", "slot", "expected"),
    [
        (None, 1, 0, "0"),
        (None, 2, 1, "2,3"),
        (None, 0, 3, ""),
        ("4,7", 1, 1, "7"),
        ("4,7", 1, 2, "4"),
        ("4,7", 3, 0, "4,7"),
        ("GPU-a, GPU-b", 1, 1, "GPU-b"),
        ("", 1, 0, ""),
    ],
)
def test_gpus_of_a_slot(monkeypatch: pytest.MonkeyPatch, visible, gpus, slot, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert worker_environment(Resources(gpus=gpus), slot)["CUDA_VISIBLE_DEVICES"] == expected
