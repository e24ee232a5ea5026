"""Detached jobs and Dask workers on a real Grid Engine."""

import subprocess
from pathlib import Path

import pytest
from distributed import Client

from zn_pipeline.queues.dask_cluster import cluster_for
from zn_pipeline.queues.jobfolder import SUBMITTED
from zn_pipeline.queues.jobs import Jobs
from zn_pipeline.queues.pools import Pool
from zn_pipeline.queues.schedulers import RefusedError

from .conftest import until

pytestmark = [pytest.mark.slow, pytest.mark.sge, pytest.mark.usefixtures("sge")]

SLEEP = "import time; print('up', flush=True); time.sleep(600)"


def launch(jobs: Jobs, name: str = "abc", code: str = "", **options):
    return jobs.launch(name, lambda _: None, ["{python}", "-c", code], **options)


def is_up(jobs: Jobs) -> bool:
    log = jobs.path("abc") / "stdout.log"
    return log.exists() and "up" in log.read_text()


@pytest.fixture
def jobs(drivers) -> Jobs:
    return drivers("sge", queue="standard")


def test_jobs_run_and_tell_how_they_ended(drivers):
    jobs = drivers("sge", queue="standard", cpus=2, memory_gib=3, walltime_minutes=5)
    launch(jobs, "first", "import os; print(os.environ['NSLOTS'], os.environ['OMP_NUM_THREADS'])")
    launch(jobs, "second", "raise SystemExit(3)")
    found = jobs.wait(timeout_seconds=120)
    assert [status.exit_code for status in found.values()] == [0, 3]
    assert (jobs.fetch("first") / "stdout.log").read_text() == "2 2\n"


def test_a_job_that_cannot_be_is_refused(drivers):
    with pytest.raises(RefusedError, match="Grid Engine must accept"):
        launch(drivers("sge", queue="nowhere"))


def test_the_end_of_the_walltime_is_recorded(drivers):
    """One job knows its walltime, one learns of it from the queue, which kills it."""
    foreseen = drivers("sge", walltime_minutes=0.2)
    blind = drivers("sge", extra=("-l h_rt=8",))
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); " + SLEEP
    launch(foreseen, "foreseen", stubborn)
    launch(blind, "blind", stubborn)
    assert foreseen.wait(timeout_seconds=90)["foreseen"].loss == "timeout"
    status = blind.wait(timeout_seconds=90)["blind"]
    assert status.loss == "timeout"
    assert "h_rt" in status.message


def test_cancel(jobs):
    launch(jobs, code=SLEEP)
    until(lambda: is_up(jobs))
    assert jobs.poll()["abc"].phase == "running"
    jobs.cancel(["abc"])
    status = jobs.wait(timeout_seconds=90)["abc"]
    assert (status.phase, status.loss) == ("lost", "killed")


def test_a_crash_between_submission_and_bookkeeping_is_healed(drivers):
    jobs = drivers("sge")
    first = launch(jobs, code=SLEEP)
    (jobs.path("abc") / SUBMITTED).unlink()
    assert launch(drivers("sge")).job_id == first.job_id
    listed = subprocess.run(["qstat"], check=True, capture_output=True, text=True).stdout
    assert listed.count("zn-abc") == 1


def test_a_job_in_error_state_is_lost_and_removed(drivers):
    """The queue cannot give it the folder for what it prints, and keeps it for ever."""
    jobs = drivers("sge", extra=("-o /nowhere/at/all",))
    status = launch(jobs, code="print(1)")
    found = jobs.wait(timeout_seconds=90)["abc"]
    assert (found.phase, found.loss) == ("lost", "infrastructure")
    until(lambda: status.job_id not in subprocess.run(["qstat"], check=True, capture_output=True,
                                                      text=True).stdout)  # fmt: skip


def test_dask_workers_come_and_go(tmp_path: Path):
    pool = Pool(name="d", kind="sge", mode="dask", workers=2, queue="standard")
    with cluster_for(pool, folder=tmp_path) as cluster, Client(cluster) as client:
        assert sum(client.gather(client.map(abs, range(-10, 0)))) == 55
