"""Job scripts for PBS, accepted and run by the PBS commands that come with SLURM.

These commands hand paths on without quotes, hence a folder without blanks.
"""

import os
from pathlib import Path

import pytest

from zn_pipeline.queues.jobfolder import SUBMITTED
from zn_pipeline.queues.jobs import Jobs

from .conftest import until

pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.usefixtures("slurm", "commands")]

COMMANDS = Path("/opt/pbs-for-slurm/bin")
SLEEP = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the commands first on the path."""
    if not (COMMANDS / "qsub").exists():
        pytest.skip("the commands of PBS are not installed; see .ci/queues/install.sh")
    monkeypatch.setenv("PATH", f"{COMMANDS}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)  # they leave what the scripts print here


def launch(jobs: Jobs, name: str = "abc", code: str = "", **options):
    return jobs.launch(name, lambda _: None, ["{python}", "-c", code], **options)


def test_jobs_run_and_tell_how_they_ended(drivers):
    jobs = drivers("pbs", folder="jobs", queue="standard", cpus=2, walltime_minutes=5)
    launch(jobs, "first", "import os; print(os.environ['OMP_NUM_THREADS'])")
    launch(jobs, "second", "raise SystemExit(3)")
    found = jobs.wait(timeout_seconds=90)
    assert [status.exit_code for status in found.values()] == [0, 3]
    assert (jobs.fetch("first") / "stdout.log").read_text() == "2\n"


def test_a_crash_between_submission_and_bookkeeping_is_healed_and_cancelling_works(drivers):
    jobs = drivers("pbs", folder="jobs")
    first = launch(jobs, code=SLEEP)
    until(lambda: (jobs.path("abc") / "stdout.log").exists())
    (jobs.path("abc") / SUBMITTED).unlink()
    again = drivers("pbs", folder="jobs")
    assert launch(again).job_id == first.job_id
    assert again.poll()["abc"].phase == "running"
    again.cancel(["abc"])
    assert again.wait(timeout_seconds=60)["abc"].loss == "killed"
