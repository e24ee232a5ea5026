"""Dask workers in pools."""

import builtins
import os
from pathlib import Path

import pytest
from distributed import Client

from zn_pipeline.errors import MissingExtraError
from zn_pipeline.queues.dask_cluster import (
    cluster_for,
    job_options,
    lifetime_options,
    loopback_interface,
)
from zn_pipeline.queues.pools import SshSettings
from zn_pipeline.resources import Resources


def variables(number: int) -> tuple[str | None, ...]:
    del number
    return tuple(os.environ.get(key) for key in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"))


def test_local_workers_come_with_the_work_and_have_a_slot_each(make_pool, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6")
    pool = make_pool("local", mode="dask", workers=1, cpus=2, gpus=1)
    with cluster_for(pool) as cluster, Client(cluster) as client:
        assert not client.scheduler_info()["workers"]
        assert client.submit(variables, 1).result(60) == ("2", "6")
        assert cluster.scheduler_address.startswith("tcp://127.0.0.1")


@pytest.mark.parametrize("kind", ["slurm", "sge", "pbs"])
def test_the_head_of_a_workers_script_is_that_of_any_job(make_pool, tmp_path: Path, kind):
    import dask_jobqueue

    pool = make_pool(
        kind,
        mode="dask",
        queue="fast",
        extra=("--exclusive",),
        directives=("#SPECIAL",),
        setup=("module load x",),
        python="/opt/python",
    )
    demand = Resources(cpus=4, gpus=2, memory_gib=3, walltime_minutes=60)
    options = job_options(pool, demand, tmp_path / "a b")
    (tmp_path / "a b").mkdir()
    classes = {"slurm": "SLURMJob", "sge": "SGEJob", "pbs": "PBSJob"}
    module = getattr(dask_jobqueue, kind)
    for unwanted in ("scheduler_options", "shared_temp_directory"):
        options.pop(unwanted)
    script = getattr(module, classes[kind])("tcp://127.0.0.1:1", name="w", **options).job_script()
    assert script.count("zn-dask") + script.count("-N zn") >= 1
    for expected in ("fast", "--exclusive", "\n#SPECIAL\n", "module load x", "OMP_NUM_THREADS=4",
                     "/opt/python -m distributed", "--lifetime 3120s", "--lifetime-stagger 240s",
                     "--nthreads 1", "01:00:00"):  # fmt: skip
        assert expected in script
    assert script.index("#SPECIAL") < script.index("exec >>")
    assert "dask-worker" not in script


def test_workers_leave_before_their_walltime():
    assert lifetime_options(None) == []
    assert lifetime_options(10) == ["--lifetime", "480s", "--lifetime-stagger", "60s"]


def test_only_loopback_goes_without_tls(make_pool, tmp_path: Path):
    inside = job_options(make_pool("slurm"), Resources(), tmp_path)
    assert "security" not in inside
    assert inside["interface"] == loopback_interface()
    outside = job_options(make_pool("slurm", interface="eth7"), Resources(), tmp_path)
    assert outside["security"].require_encryption
    assert outside["interface"] == "eth7"


def test_no_way_back_through_ssh(make_pool):
    pool = make_pool("slurm", ssh=SshSettings(host="box"))
    with pytest.raises(ValueError, match=r"must not lie behind ssh.*'box'"):
        cluster_for(pool)


def test_a_missing_package_names_its_extra(make_pool, monkeypatch, tmp_path: Path):
    original = builtins.__import__

    def without(name, *arguments, **options):
        if name == "dask_jobqueue":
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"zn-pipeline\[jobqueue\]"):
        cluster_for(make_pool("slurm", mode="dask"), folder=tmp_path)
