"""What the files of a job say."""

from pathlib import Path

import pytest

from zn_pipeline.queues.job import DONE, HEARTBEAT
from zn_pipeline.queues.jobfolder import INTENT, LOST, SUBMITTED, JobFolder
from zn_pipeline.queues.jsonfiles import write_json


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    """Return a job whose first attempt is wanted."""
    job = JobFolder(tmp_path)
    job.write(INTENT, attempt=1)
    return job


def done(job: JobFolder, exit_code: int, stopped: str | None = None, attempt: int = 1) -> None:
    record = {"exit_code": exit_code, "stopped": stopped, "host": "n1", "job_id": "7"}
    write_json(job.path / DONE, {**record, "attempt": attempt})


def test_a_folder_without_files_has_no_attempt(tmp_path: Path):
    assert JobFolder(tmp_path).attempt == 0


def test_wanted_is_waiting_and_submitted_is_for_the_queue_to_say(job: JobFolder):
    assert job.status_of_files().phase == "waiting"
    job.write(SUBMITTED, id="7")
    assert job.status_of_files() is None


@pytest.mark.parametrize(
    ("exit_code", "stopped", "phase"),
    [
        (0, None, "done"),
        (3, None, "done"),
        (0, "timeout", "done"),
        (-11, None, "done"),  # it crashed by itself
        (3, "timeout", None),
        (-9, None, None),
        (-15, "killed", None),
    ],
)
def test_only_a_command_that_ended_by_itself_is_done(job: JobFolder, exit_code, stopped, phase):
    job.write(SUBMITTED, id="7")
    done(job, exit_code, stopped)
    status = job.status_of_files()
    assert (status and status.phase) == phase
    if status:
        assert (status.exit_code, status.stopped, status.host) == (exit_code, stopped, "n1")


def test_files_of_an_earlier_attempt_say_nothing(job: JobFolder):
    job.write(SUBMITTED, id="7")
    job.write(LOST, loss="killed", message="")
    done(job, 0)
    write_json(job.path / HEARTBEAT, {"attempt": 1, "host": "n1"})
    job.write(INTENT, attempt=2)
    assert job.status_of_files().phase == "waiting"
    assert (job.submitted, job.done, job.lost, job.heartbeat) == (None, None, None, None)


def test_the_end_of_an_attempt_is_kept(job: JobFolder):
    done(job, 3)
    job.set_aside()
    assert (job.path / "done-1.json").exists()
    assert job.done is None


def test_an_attempt_that_was_given_up_and_lives_is_taken_back(job: JobFolder):
    job.write(SUBMITTED, id="7")
    job.write(LOST, loss="infrastructure", message="")
    job.write(INTENT, attempt=2)
    job.revive(["8"])
    assert job.attempt == 2
    job.revive(["7"])
    assert (job.attempt, job.lost) == (1, None)
    assert job.submitted["id"] == "7"
