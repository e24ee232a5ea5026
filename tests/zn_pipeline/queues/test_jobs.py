"""Jobs live on without a driver and are never submitted twice."""

import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from zn_pipeline.queues.jobfolder import INTENT, SUBMITTED
from zn_pipeline.queues.jobs import Jobs, transport_for
from zn_pipeline.queues.jsonfiles import read_json, write_json
from zn_pipeline.queues.pools import SshSettings
from zn_pipeline.queues.schedulers import QueueError, RefusedError
from zn_pipeline.queues.transport import Local, Ssh
from zn_pipeline.queues.watch import Patience
from zn_pipeline.resources import Resources

QUICK = Patience(grace_seconds=0.3, stale_seconds=0.4, settle_seconds=0.1, heartbeat_seconds=0.1)


@pytest.fixture
def drivers(make_pool, tmp_path: Path):
    """Return a maker of drivers of one folder."""
    made: list[Jobs] = []

    def make(kind: str = "slurm", **settings) -> Jobs:
        pool = make_pool(kind, **{"workers": 8, **settings})
        made.append(Jobs(pool, tmp_path / "jobs", patience=QUICK))
        return made[-1]

    yield make
    for jobs in made:
        if jobs.pool.kind == "local":
            jobs.cancel(jobs.names())
            jobs.wait(jobs.names(), 20)


def prepare(folder: Path) -> None:
    (folder / "input").write_text("x")


def launch(jobs: Jobs, name: str = "abc", code: str = "", **options):
    return jobs.launch(name, prepare, ["{python}", "-c", code], **options)


def finish(jobs: Jobs, name: str = "abc", **record) -> None:
    """Write what a job writes at its end."""
    attempt = read_json(jobs.path(name) / INTENT)["attempt"]
    given = {"exit_code": 0, "stopped": None, "host": "n1", "job_id": "1", "attempt": attempt}
    write_json(jobs.path(name) / "done.json", {**given, **record})


def test_a_job_runs_in_its_folder(drivers):
    jobs = drivers("local")
    code = "import os; print(open('input').read(), os.environ['A'], os.environ['OMP_NUM_THREADS'])"
    launch(jobs, code=code, resources=Resources(cpus=3), environment={"A": "it's"})
    status = jobs.wait(timeout_seconds=30)["abc"]
    assert (status.phase, status.exit_code, status.attempt) == ("done", 0, 1)
    assert (jobs.fetch("abc") / "stdout.log").read_text() == "x it's 3\n"


def test_a_job_outlives_its_driver_and_is_adopted(drivers, tmp_path: Path):
    driver = f"""
import os
from pathlib import Path
from zn_pipeline.queues.jobs import Jobs
from zn_pipeline.queues.pools import Pool
jobs = Jobs(Pool(name="test", kind="local", mode="detached"), Path({str(tmp_path / "jobs")!r}))
code = "import time; time.sleep(0.5); print('ran')"
jobs.launch("abc", lambda folder: None, ["{{python}}", "-c", code])
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", driver], check=False).returncode == -9
    jobs = drivers("local", workers=1)
    assert jobs.names() == ["abc"]
    launch(jobs)
    status = jobs.wait(timeout_seconds=30)["abc"]
    assert (status.phase, status.attempt) == ("done", 1)
    assert (jobs.path("abc") / "stdout.log").read_text() == "ran\n"


def test_launching_again_submits_nothing(drivers, queue):
    for _ in range(3):
        launch(drivers())
    assert queue.submissions == 1


def test_a_crash_between_submission_and_bookkeeping_is_healed(drivers, queue):
    jobs = drivers()
    launch(jobs)
    (jobs.path("abc") / SUBMITTED).unlink()
    assert launch(drivers()).job_id == "1"
    assert queue.submissions == 1


def test_a_crash_after_which_the_job_ended_is_healed(drivers, queue):
    jobs = drivers()
    launch(jobs)
    (jobs.path("abc") / SUBMITTED).unlink()
    queue.say("COMPLETED")
    finish(jobs)
    assert launch(drivers()).phase == "done"
    assert queue.submissions == 1


def test_a_crash_while_preparing_is_healed(drivers, queue):
    def crash(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drivers().launch("abc", crash, ["true"])
    assert launch(drivers()).phase == "pending"
    assert queue.submissions == 1


def test_two_drivers_submit_once(drivers, queue):
    several = [drivers() for _ in range(4)]
    threads = [threading.Thread(target=launch, args=(jobs,)) for jobs in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.submissions == 1


def test_a_submission_that_said_nothing_is_looked_for(drivers, queue):
    """The queue took the job, but its answer was lost."""
    queue.lose_answers()
    jobs = drivers()
    assert launch(jobs).phase == "waiting"
    assert jobs.poll()["abc"].job_id == "1"
    assert queue.submissions == 1


def test_a_queue_that_does_not_answer_delays_the_submission(drivers, queue):
    jobs = drivers()
    queue.is_down(True)
    status = launch(jobs)
    assert (status.phase, queue.submissions) == ("waiting", 0)
    assert "Unable to contact" in status.message
    assert jobs.poll()["abc"].phase == "waiting"
    queue.is_down(False)
    assert jobs.poll()["abc"].phase == "pending"
    assert queue.submissions == 1


def test_a_queue_that_does_not_answer_loses_no_job(drivers, queue):
    jobs = drivers()
    launch(jobs)
    queue.is_down(True)
    for _ in range(4):
        assert jobs.poll()["abc"].phase == "unknown"
        time.sleep(0.15)
    queue.is_down(False)
    assert jobs.poll()["abc"].phase == "pending"


def test_a_job_that_vanished_is_lost_and_launched_anew(drivers, queue):
    jobs = drivers()
    launch(jobs)
    queue.file.write_text("")
    status = jobs.wait(timeout_seconds=20)["abc"]
    assert (status.phase, status.loss, status.attempt) == ("lost", "infrastructure", 1)
    assert "scancel 1" in queue.commands.calls
    assert launch(drivers()).attempt == 2
    assert queue.submissions == 2


def test_a_job_given_up_too_early_is_taken_back(drivers, queue):
    jobs = drivers()
    launch(jobs)
    listed = queue.file.read_text()
    queue.file.write_text("")
    assert jobs.wait(timeout_seconds=20)["abc"].phase == "lost"
    queue.file.write_text(listed)
    status = launch(jobs)
    assert (status.attempt, status.job_id, queue.submissions) == (1, "1", 1)
    finish(jobs)
    assert jobs.poll()["abc"].phase == "done"


@pytest.mark.parametrize(
    ("state", "loss"),
    [
        ("TIMEOUT", "timeout"),
        ("OUT_OF_MEMORY", "memory"),
        ("CANCELLED", "killed"),
        ("NODE_FAIL", "infrastructure"),
    ],
)
def test_a_lost_job_says_why(drivers, queue, state, loss):
    jobs = drivers()
    launch(jobs)
    queue.say(state)
    status = jobs.wait(timeout_seconds=20)["abc"]
    assert (status.phase, status.loss) == ("lost", loss)
    assert state in status.message


def test_what_the_files_say_comes_before_what_the_queue_says(drivers, queue):
    jobs = drivers()
    launch(jobs)
    queue.say("NODE_FAIL")
    finish(jobs, exit_code=5)
    status = jobs.poll()["abc"]
    assert (status.phase, status.exit_code) == ("done", 5)


def test_a_job_that_is_done_runs_again_when_asked(drivers, queue):
    jobs = drivers()
    launch(jobs)
    finish(jobs, exit_code=5)
    queue.say("FAILED")
    assert launch(jobs).phase == "done"
    status = launch(jobs, again=True)
    assert (status.phase, status.attempt) == ("pending", 2)
    assert read_json(jobs.path("abc") / "done-1.json")["exit_code"] == 5


class Elsewhere(Local):
    """Another machine that jobs and copies go to: another folder."""

    def __init__(self, here: Path, there: Path) -> None:
        super().__init__(here)
        self.root = str(there)

    def push(self, name, *, skip=()):
        ignore = shutil.ignore_patterns(*skip)
        shutil.copytree(self.local / name, self.folder(name), ignore=ignore, dirs_exist_ok=True)

    def pull_files(self, names, files):
        for name, file in itertools.product(names, files):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(Path(self.folder(name), file), self.local / name / file)


def test_a_job_that_is_done_elsewhere_is_not_submitted_again(make_pool, queue, tmp_path: Path):
    for attempt in range(2):
        here = tmp_path / f"driver-{attempt}"
        jobs = Jobs(make_pool("slurm"), here, transport=Elsewhere(here, tmp_path / "there"))
        status = launch(jobs)
        if not attempt:
            assert status.phase == "pending"
            queue.say("COMPLETED")
            record = {"exit_code": 0, "stopped": None, "host": "n1", "job_id": "1", "attempt": 1}
            write_json(tmp_path / "there" / "abc" / "done.json", record)
    assert (status.phase, queue.submissions) == ("done", 1)
    assert not (tmp_path / "there" / "abc" / INTENT).exists()


def test_later_attempts_ask_for_more(drivers, queue):
    jobs = drivers(memory_gib=1, retry_resources=({"memory_gib": 4},))
    launch(jobs)
    assert "--mem=1024M" in (jobs.path("abc") / "job.sh").read_text()
    queue.say("OUT_OF_MEMORY")
    jobs.wait(timeout_seconds=20)
    launch(jobs)
    assert "--mem=4096M" in (jobs.path("abc") / "job.sh").read_text()


def test_no_more_jobs_at_once_than_allowed(drivers, queue):
    jobs = drivers(workers=2)
    assert [launch(jobs, name).phase for name in "abcd"] == ["pending"] * 2 + ["waiting"] * 2
    assert queue.submissions == 2
    finish(jobs, "a")
    assert [status.phase for status in jobs.poll().values()] == [
        "done",
        "pending",
        "pending",
        "waiting",
    ]
    assert queue.submissions == 3


def test_all_jobs_are_asked_for_in_one_call(drivers, queue):
    jobs = drivers()
    for name in "abcdef":
        launch(jobs, name)
    before = len(queue.commands.calls)
    jobs.poll()
    assert len(queue.commands.calls) == before + 1


def test_a_refused_job_is_an_error(drivers, queue):
    queue.commands.say("sbatch", err="sbatch: error: invalid partition specified: x", code=1)
    jobs = drivers()
    with pytest.raises(RefusedError, match="invalid partition"):
        launch(jobs)
    status = jobs.poll(["abc"])["abc"]
    assert (status.phase, status.loss) == ("lost", "infrastructure")
    assert "invalid partition" in status.message


def test_cancel_and_forget(drivers, queue):
    jobs = drivers(workers=1)
    launch(jobs, "a")
    launch(jobs, "b")
    with pytest.raises(ValueError, match="job a must have ended"):
        jobs.forget("a")
    jobs.cancel(["a", "b"])
    assert "scancel 1" in queue.commands.calls
    assert jobs.poll(["b"])["b"].loss == "killed"
    queue.say("CANCELLED")
    assert jobs.wait(timeout_seconds=20)["a"].loss == "killed"
    jobs.forget("a")
    jobs.forget("b")
    assert jobs.names() == []
    assert jobs.poll() == {}
    queue.commands.say("scancel", err="Unable to contact slurm controller", code=1)
    launch(jobs, "c")
    with pytest.raises(QueueError):
        jobs.cancel(["c"])


def test_a_running_job_that_is_cancelled_is_lost(drivers):
    jobs = drivers("local")
    launch(jobs, code="import time; print('up', flush=True); time.sleep(60)")
    log = jobs.path("abc") / "stdout.log"
    while not (log.exists() and log.read_text()):
        time.sleep(0.05)
    assert jobs.poll()["abc"].phase == "running"
    jobs.cancel(["abc"])
    status = jobs.wait(timeout_seconds=30)["abc"]
    assert (status.phase, status.loss, status.stopped) == ("lost", "killed", "killed")


def test_a_running_job_that_is_killed_is_lost_with_all_that_it_runs(drivers):
    jobs = drivers("local")
    launch(jobs, code="import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    log = jobs.path("abc") / "stdout.log"
    while not (log.exists() and log.read_text()):
        time.sleep(0.05)
    psutil.Process(read_json(jobs.path("abc") / "heartbeat")["pid"]).kill()
    assert jobs.wait(timeout_seconds=30)["abc"].loss == "killed"
    command = Path("/proc", log.read_text().strip(), "cmdline")
    assert not command.exists() or not command.read_bytes()


@pytest.mark.parametrize("name", ["", "a/b", "..", ".a", "a b", "x" * 101])
def test_names_are_hashes(drivers, name):
    with pytest.raises(ValueError, match="name must be"):
        launch(drivers(), name)


def test_a_command_must_be_given(drivers):
    with pytest.raises(ValueError, match="command must name a program"):
        drivers().launch("abc", prepare, [])


def test_nothing_is_written_that_a_person_could_not_read(drivers, queue):
    del queue
    jobs = drivers()
    launch(jobs, code="print(1)")
    intent = json.loads((jobs.path("abc") / INTENT).read_text())
    assert intent["command"] == [sys.executable, "-c", "print(1)"]
    assert intent["pool"] == "test"


def test_how_a_pool_is_reached(make_pool, tmp_path: Path):
    assert isinstance(transport_for(make_pool("slurm"), tmp_path), Local)
    ssh = SshSettings(host="box", config_file="c", login_shell=True)
    made = transport_for(make_pool("slurm", ssh=ssh), tmp_path)
    assert isinstance(made, Ssh)
    assert (made.host, made.login_shell) == ("box", True)
