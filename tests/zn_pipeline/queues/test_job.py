"""What runs inside a job."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from zn_pipeline.queues.job import early_warning_seconds, margin_seconds
from zn_pipeline.queues.jsonfiles import read_json, write_json

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: print("warned", time.time(), flush=True))
print("up", flush=True)
while True:
    time.sleep(0.05)
"""


def until(condition: Callable[[], object], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)


class Running:
    """A job's process and its folder."""

    def __init__(self, folder: Path, code: str, job: dict[str, object], variables: dict[str, str]):
        self.folder = folder
        record = {"command": [sys.executable, "-c", code], "heartbeat_seconds": 0.1, **job}
        write_json(folder / "job.json", record)
        self.process = self.start(variables)

    def start(self, variables: dict[str, str] | None = None) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-P", "-m", "zn_pipeline.queues.job", "."]
        environment = {**os.environ, **(variables or {})}
        return subprocess.Popen(command, cwd=self.folder, env=environment)

    def wait(self) -> dict[str, object]:
        """Return what the job left, after its end."""
        self.process.wait(20)
        return read_json(self.folder / "done.json")

    @property
    def printed(self) -> str:
        log = self.folder / "stdout.log"
        return log.read_text() if log.exists() else ""

    def until_up(self) -> None:
        until(lambda: "up" in self.printed)


@pytest.fixture
def run(tmp_path: Path):
    """Return a function that starts a job in a folder of an awkward name."""
    folder = tmp_path / 'it\'s a "folder"'
    folder.mkdir()
    started: list[Running] = []

    def run(code: str, variables: dict[str, str] | None = None, **job: object) -> Running:
        started.append(Running(folder, code, job, variables or {}))
        return started[-1]

    yield run
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()


def test_the_command_runs_in_the_folder_and_its_end_is_told(run):
    job = run("import os, sys; print(os.getcwd()); print('oh', file=sys.stderr); sys.exit(3)",
              {"SLURM_JOB_ID": "99"}, attempt=2)  # fmt: skip
    done = job.wait()
    assert (done["exit_code"], done["stopped"], done["attempt"]) == (3, None, 2)
    assert done["job_id"] == "99"
    assert done["started"] <= done["ended"]
    assert job.printed.strip() == str(job.folder)
    assert (job.folder / "stderr.log").read_text() == "oh\n"
    assert job.process.returncode == 3


def test_a_command_that_does_not_exist(run):
    job = run("", command=["/nowhere/program"])
    assert job.wait()["exit_code"] == 127
    assert "/nowhere/program" in (job.folder / "stderr.log").read_text()


def test_a_folder_without_a_command(tmp_path: Path):
    command = [sys.executable, "-P", "-m", "zn_pipeline.queues.job", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "must name a command" in done.stderr


def test_the_heart_beats_while_the_command_runs(run):
    job = run("import time; print('up', flush=True); time.sleep(60)")
    job.until_up()
    heartbeat = job.folder / "heartbeat"
    first = heartbeat.stat().st_mtime_ns
    until(lambda: heartbeat.stat().st_mtime_ns > first)
    assert read_json(heartbeat)["pid"] == job.process.pid
    job.process.terminate()
    assert job.wait()["stopped"] == "killed"


def test_a_second_copy_of_a_running_or_finished_job_does_nothing(run):
    job = run("import time; print('up', flush=True); time.sleep(60)")
    job.until_up()
    assert job.start().wait(20) == 75
    job.process.terminate()
    done = job.wait()
    assert job.start().wait(20) == 0
    assert read_json(job.folder / "done.json") == done
    assert job.printed.count("up") == 1


def test_an_early_warning_is_handed_on(run):
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGUSR1, lambda *_: sys.exit(0))\n"
        "print('up', flush=True); time.sleep(60)"
    )
    job = run(code)
    job.until_up()
    job.process.send_signal(signal.SIGUSR1)
    done = job.wait()
    assert (done["exit_code"], done["stopped"]) == (0, None)


def test_the_walltime_is_foreseen(run):
    """6 s: no new work from 5.4 s on, a warning at 5.7 s, the end at 5.925 s."""
    job = run("import os; print(os.environ['ZN_DEADLINE'], flush=True)\n" + STUBBORN,
              {"ZN_JOB_STARTED": str(time.time() - 3)}, walltime_seconds=6)  # fmt: skip
    done = job.wait()
    assert (done["exit_code"], done["stopped"]) == (-9, "timeout")
    deadline, _, warned = job.printed.splitlines()
    assert float(deadline) == pytest.approx(done["started"] + 5.4, abs=0.6)
    assert warned.startswith("warned")


def test_a_queue_that_warns_early_is_not_taken_for_a_person_that_cancels(run):
    job = run(STUBBORN, walltime_seconds=20)
    job.until_up()
    job.process.terminate()
    until(lambda: "warned" in job.printed)
    assert job.process.poll() is None
    job.process.kill()


def test_what_the_command_leaves_behind_is_ended(run):
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)"
    )
    job = run(code)
    job.wait()
    stat = Path(f"/proc/{job.printed.strip()}/stat")
    until(lambda: not stat.exists() or stat.read_text().split()[2] == "Z")


def test_gpus_follow_the_slot(run):
    code = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ.get('ZN_DEADLINE'))"
    job = run(code, {"ZN_SLOT": "1", "CUDA_VISIBLE_DEVICES": "4,5,6,7", "ZN_DEADLINE": "1"}, gpus=2)
    job.wait()
    assert job.printed == "6,7 None\n"


@pytest.mark.parametrize(("walltime", "margin"), [(60, 6), (3600, 240), (864_000, 240)])
def test_margins(walltime, margin):
    assert margin_seconds(walltime) == margin
    assert early_warning_seconds(walltime) == margin / 2
