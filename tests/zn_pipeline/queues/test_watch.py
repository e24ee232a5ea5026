"""Bad news is believed late."""

import itertools
import os
import time
from pathlib import Path

import pytest

from zn_pipeline.queues import watch as watch_module
from zn_pipeline.queues.job import DONE, HEARTBEAT
from zn_pipeline.queues.jobfolder import INTENT, SUBMITTED, JobFolder
from zn_pipeline.queues.jsonfiles import write_json
from zn_pipeline.queues.schedulers import JobState, State
from zn_pipeline.queues.schedulers.base import LOG, NO_ANSWER, NOT_LISTED
from zn_pipeline.queues.watch import Patience, Watch


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.start = time.time()

    def monotonic(self) -> float:
        return self.passed

    def time(self) -> float:
        return self.start + self.passed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watch_module, "time", clock)
    return clock


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    job = JobFolder(tmp_path)
    job.write(INTENT, attempt=1)
    job.write(SUBMITTED, id="7")
    return job


@pytest.fixture
def watch(clock: Clock) -> Watch:
    del clock
    return Watch(Patience())


def beat(job: JobFolder, clock: Clock) -> None:
    write_json(job.path / HEARTBEAT, {"host": "n1", "attempt": 1})
    os.utime(job.path / HEARTBEAT, (clock.time(), clock.time()))


def test_the_queue_is_believed_while_all_is_well(job, watch):
    assert watch.judge(job, JobState(State.PENDING)).phase == "pending"
    assert watch.judge(job, JobState(State.RUNNING)).phase == "running"


def test_a_job_that_is_not_listed_is_lost_after_the_grace_time(job, watch, clock):
    for clock.passed in (0, 100, 299):
        assert watch.judge(job, NOT_LISTED).phase == "unknown"
    clock.passed = 301
    status = watch.judge(job, NOT_LISTED)
    assert (status.phase, status.loss) == ("lost", "infrastructure")


def test_a_job_is_never_lost_while_its_heart_beats(job, watch, clock):
    for clock.passed in range(0, 3600, 15):
        beat(job, clock)
        assert watch.judge(job, NOT_LISTED).phase == "running"
    stopped = clock.passed
    phases = []
    for clock.passed in range(stopped, stopped + 600, 15):
        phases.append(watch.judge(job, NOT_LISTED).phase)
    assert [phase for phase, _ in itertools.groupby(phases)] == ["running", "unknown", "lost"]
    assert phases.index("lost") >= (90 + 300) / 15


def test_a_job_is_never_lost_while_the_queue_does_not_answer(job, watch, clock):
    watch.judge(job, NOT_LISTED)
    for clock.passed in range(10, 100_000, 1000):
        assert watch.judge(job, NO_ANSWER).phase == "unknown"
    assert watch.judge(job, NOT_LISTED).phase == "unknown"  # the grace time begins again


def test_an_empty_list_between_two_answers_is_forgotten(job, watch, clock):
    for clock.passed in range(0, 3000, 200):
        assert watch.judge(job, NOT_LISTED).phase == "unknown"
        assert watch.judge(job, JobState(State.RUNNING)).phase == "running"


@pytest.mark.parametrize(
    ("state", "loss"),
    [
        (State.TIMEOUT, "timeout"),
        (State.OUT_OF_MEMORY, "memory"),
        (State.CANCELLED, "killed"),
        (State.NODE_FAIL, "infrastructure"),
        (State.FAILED, "infrastructure"),
        (State.DONE, "infrastructure"),
    ],
)
def test_what_the_queue_says_is_the_loss_once_files_had_time(job, watch, clock, state, loss):
    assert watch.judge(job, JobState(state)).phase == "unknown"
    clock.passed = 11
    assert watch.judge(job, JobState(state)).loss == loss


def test_a_failed_node_that_still_computes_is_not_lost(job, watch, clock):
    for clock.passed in (0, 15, 30):
        beat(job, clock)
        assert watch.judge(job, JobState(State.NODE_FAIL)).phase == "running"
    clock.passed = 130
    assert watch.judge(job, JobState(State.NODE_FAIL)).loss == "infrastructure"


def test_a_script_that_failed_is_quoted(job, watch, clock):
    (job.path / LOG).write_text("bash: no such module\n")
    watch.judge(job, JobState(State.FAILED))
    clock.passed = 11
    message = watch.judge(job, JobState(State.FAILED, "NonZeroExitCode")).message
    assert "NonZeroExitCode" in message
    assert "no such module" in message


@pytest.mark.parametrize("shift", [-100_000, 100_000])
def test_a_heart_of_another_clock_beats_when_it_moves(job, watch, clock, shift):
    for clock.passed in range(0, 600, 15):
        beat(job, clock)
        stamp = clock.time() + shift
        os.utime(job.path / HEARTBEAT, (stamp, stamp))
        if clock.passed:
            assert watch.judge(job, NOT_LISTED).phase == "running"
        else:
            watch.judge(job, NOT_LISTED)
    clock.passed += 91
    assert watch.judge(job, NOT_LISTED).phase == "unknown"


@pytest.mark.parametrize(
    ("exit_code", "stopped", "state", "loss"),
    [
        (-15, "timeout", JobState(State.RUNNING), "timeout"),
        (1, "killed", JobState(State.CANCELLED), "killed"),
        (-15, "killed", JobState(State.TIMEOUT), "timeout"),
        (-9, None, JobState(State.OUT_OF_MEMORY), "memory"),
        (-9, None, JobState(State.FAILED), "killed"),
    ],
)
def test_a_command_ended_from_outside(job, watch, exit_code, stopped, state, loss):
    record = {"exit_code": exit_code, "stopped": stopped, "attempt": 1, "host": "n1"}
    write_json(job.path / DONE, record)
    status = watch.judge(job, state)
    assert (status.phase, status.loss, status.exit_code) == ("lost", loss, exit_code)


def test_the_queue_gets_time_to_say_that_it_was_for_memory(job, watch, clock):
    write_json(job.path / DONE, {"exit_code": -9, "stopped": None, "attempt": 1, "host": "n1"})
    assert watch.judge(job, JobState(State.RUNNING)).phase == "unknown"
    clock.passed = 5
    assert watch.judge(job, JobState(State.OUT_OF_MEMORY)).loss == "memory"
