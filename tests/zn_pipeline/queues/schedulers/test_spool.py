"""The queue of a machine without one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from zn_pipeline.queues.jsonfiles import read_json
from zn_pipeline.queues.schedulers.spool import Spool, command, is_alive, process_mark


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)


@pytest.fixture
def spool(tmp_path: Path):
    spool = Spool(tmp_path / "a queue", 1)
    yield spool
    ids = [str(int(path.stem)) for path in spool.folder.glob("*/[0-9]*.json")]
    spool.cancel(ids)
    until(lambda: not any(is_live(spool, job) for job in ids))


@pytest.fixture
def script(tmp_path: Path):
    """Return a function that writes a script."""

    def write(name: str, text: str) -> str:
        path = tmp_path / f"{name}.sh"
        path.write_text(f"cd {tmp_path}\n{text}\n")
        return str(path)

    return write


def state(spool: Spool, job: str) -> str:
    return spool.states([job])[job]["state"]


def is_live(spool: Spool, job: str) -> bool:
    return state(spool, job) in ("pending", "running")


def test_jobs_run_in_order_and_no_more_at_once_than_allowed(spool, script, tmp_path):
    text = 'echo "begin $ZN_SLOT" >>log; sleep 0.2; echo "end $ZN_SLOT" >>log'
    ids = [spool.submit(f"job{number}", script(f"{number}", text)) for number in range(3)]
    until(lambda: not any(is_live(spool, job) for job in ids))
    assert (tmp_path / "log").read_text() == "begin 0\nend 0\n" * 3
    assert [state(spool, job) for job in ids] == ["done"] * 3


def test_a_job_that_fails_and_one_that_never_was(spool, script):
    job = spool.submit("a", script("a", "exit 4"))
    until(lambda: not is_live(spool, job))
    assert spool.states([job, "99"]) == {
        job: {"state": "failed", "reason": "exit code 4"},
        "99": {"state": "unknown"},
    }


def test_find_and_cancel(spool, script):
    first = spool.submit("a", script("a", "exec sleep 60"))
    second = spool.submit("b", script("b", "exec sleep 60"))
    until(lambda: state(spool, first) == "running" and "process" in record(spool, first))
    assert (spool.find("a"), spool.find("b"), spool.find("c")) == ([first], [second], [])
    spool.cancel([second])
    assert state(spool, second) == "cancelled"
    spool.cancel([first])
    assert spool.find("a") == []
    until(lambda: state(spool, first) == "cancelled")


def record(spool: Spool, job: str):
    return read_json(spool.folder / "running" / f"{int(job):09d}.json") or {}


def test_a_job_outlives_who_submitted_it(spool, script, tmp_path):
    path = script("a", "sleep 0.3; echo done >result")
    line = [*command(spool.folder, 1), "submit", "a", path]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == "1"
    until((tmp_path / "result").exists)


def test_a_job_outlives_its_worker_and_keeps_its_slot(spool, script, tmp_path):
    job = spool.submit("a", script("a", "sleep 1.5; echo a >>log"))
    until(lambda: "process" in record(spool, job))
    os.kill(int(record(spool, job)["worker"].split()[1]), signal.SIGKILL)
    later = spool.submit("b", script("b", "echo b >>log"))
    assert state(spool, job) == "running"
    until(lambda: not is_live(spool, later))
    assert (tmp_path / "log").read_text() == "a\nb\n"
    assert spool.states([job])[job] == {"state": "node_fail", "reason": "its process is gone"}


def test_a_process_is_told_from_a_later_one_of_the_same_number():
    mark = process_mark(os.getpid())
    assert is_alive(mark)
    boot, pid, start = mark.split()
    assert not is_alive(f"{boot} {pid} {int(start) - 1}")
    assert not is_alive(None)


def test_a_process_that_has_ended_and_was_not_waited_for_is_not_alive():
    process = subprocess.Popen([sys.executable, "-c", ""])
    mark = process_mark(process.pid)
    until(lambda: not is_alive(mark))
    process.wait()
