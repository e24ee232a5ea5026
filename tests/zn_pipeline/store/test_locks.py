import json
import subprocess
import sys

import pytest

from zn_pipeline.errors import BusyError
from zn_pipeline.store import locks
from zn_pipeline.store.repository import Repository


@pytest.fixture
def repository(tmp_project):
    return Repository.find(tmp_project.path)


def test_one_run_at_a_time(repository):
    code = (
        "from zn_pipeline.store.locks import run_lock\n"
        "from zn_pipeline.store.repository import Repository\n"
        "with run_lock(Repository.find()):\n    print('in')\n"
    )

    def other():
        command = [sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with locks.run_lock(repository):
        blocked = other()
    assert "BusyError: only one run may change" in blocked.stderr
    assert other().stdout == "in\n"


def test_a_run_waits_for_the_workers_of_a_killed_one(repository, monkeypatch):
    repository.tmp.mkdir(parents=True)
    held = locks.hold_worker_lock(repository.tmp)
    shared = locks.hold_worker_lock(repository.tmp)
    with (repository.tmp / "workers.lock").open("a+") as file:
        with pytest.raises(BusyError, match=r"workers of an earlier run .* must have ended"):
            locks._wait_for_workers(file, repository, patience_seconds=0.1)
        held.close()
        shared.close()
        locks._wait_for_workers(file, repository, patience_seconds=0.1)


def test_outputs_are_announced_to_dvc(repository, tmp_project):
    file = tmp_project.path / ".dvc" / "tmp" / "rwlock"
    with locks.announced(repository):
        written = json.loads(file.read_text())["write"]
        assert list(written) == [str(tmp_project.path / "outs")]
    assert "outs" not in file.read_text()


def test_a_dvc_process_at_work_is_respected(repository, tmp_project):
    file = tmp_project.path / ".dvc" / "tmp" / "rwlock"
    file.parent.mkdir()
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = {"pid": sleeper.pid, "cmd": "dvc repro"}
    file.write_text(json.dumps({"read": {str(tmp_project.path / "outs" / "A"): [owner]}}))
    try:
        message = "no DVC process may use outs/ during a run"
        with pytest.raises(BusyError, match=message), locks.announced(repository):
            pass
    finally:
        sleeper.communicate(b"\n")


def test_the_lock_of_dvc_is_waited_for(repository, tmp_project):
    with (
        locks.dvc_lock(repository),
        pytest.raises(BusyError, match="must not be held by another DVC process"),
        locks.dvc_lock(repository, patience_seconds=0),
    ):
        pass
