"""A node that fails, dies or leaves processes behind costs itself alone."""

import json
import sys
from pathlib import Path

import psutil
import pytest

import zn_pipeline as zn

NODES = '''
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import zn_pipeline as zn


class Fine(zn.Node):
    value: int = zn.params(1)
    out: int = zn.outs()

    def run(self) -> None:
        self.out = self.value


class Below(zn.Node):
    x: int = zn.deps()
    out: int = zn.outs()

    def run(self) -> None:
        self.out = self.x


class Exit(Fine):
    def run(self) -> None:
        os._exit(1)


class Kill(Fine):
    def run(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Raise(Fine):
    def run(self) -> None:
        print("about to fail")
        raise ValueError("this cannot be")


class Slow(Fine):
    resources = zn.Resources(walltime_minutes=0.02)

    def run(self) -> None:
        time.sleep(300)


class Leave(Fine):
    def run(self) -> None:
        sys.exit(3)


class Unset(Fine):
    def run(self) -> None:
        pass


class Mother(Fine):
    """Leave processes behind, one of them in a session of its own."""

    def run(self) -> None:
        sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
        children = [subprocess.Popen(sleep, start_new_session=own) for own in (False, True)]
        children.append(subprocess.Popen(["sh", "-c", "sleep 300 & sleep 300"]))
        Path(os.environ["CHILDREN"]).write_text(" ".join(str(child.pid) for child in children))
        self.out = 1


class Flaky(zn.Node):
    """Fail once, in one way or the other."""

    resources = zn.Resources(retries=1)
    how: str = zn.params()
    out: int = zn.outs()

    def run(self) -> None:
        attempts = self.scratch / "attempts"
        before = len(attempts.read_text()) if attempts.exists() else 0
        attempts.write_text("x" * (before + 1))
        if before == 0 and self.how == "raise":
            raise ValueError("the first time")
        if before == 0 and self.how == "die":
            os._exit(1)
        if self.how == "always":
            raise ValueError("each time")
        self.out = before


class Picky(zn.Node):
    value: int = zn.params()
    out: int = zn.outs()

    def run(self) -> None:
        if self.value > 1:
            raise ValueError("value must be at most 1")
        self.out = self.value
'''


@pytest.fixture
def fragile(tmp_project):
    tmp_project.write("fragile.py", NODES)
    sys.path.insert(0, str(tmp_project.path))
    import fragile

    return fragile


def test_a_dying_node_costs_itself_alone(fragile, shell):
    bad = ["Exit", "Kill", "Leave", "Raise", "Slow", "Unset"]
    with zn.Project() as project:
        for name in bad:
            node = getattr(fragile, name)()
            fragile.Below(x=node.out)
        for value in range(5):
            fragile.Below(x=fragile.Fine(value=value).out, name=f"Good{value}")
        for how in ("raise", "die", "always"):
            fragile.Flaky(how=how, name=f"Flaky-{how}")
    report = project.repro(executor=zn.DaskExecutor(2), check=False)
    assert sorted(report.failed) == sorted([*bad, "Flaky-always"])
    assert len(report.skipped) == len(bad)
    assert len(report.done) == 10 + 2
    errors = {name: report.stages[name].error for name in report.failed}
    assert "WorkerDied" in errors["Exit"]
    assert "WorkerDied" in errors["Kill"]
    assert "Slow ran longer than 0.02 minutes" in errors["Slow"]
    assert errors["Raise"] == "ValueError: this cannot be"
    assert "must be set by run()" in errors["Unset"]
    assert errors["Flaky-always"] == "ValueError: each time"
    assert "about to fail" in Path("outs/Raise/node.log").read_text()
    assert "this cannot be" in Path("outs/Raise/FAILED.txt").read_text()
    assert [project.nodes[f"Flaky-{how}"].out for how in ("raise", "die")] == [1, 1]
    states = json.loads(shell.znp("status", "--json"))
    assert {states[name]["state"] for name in bad} == {"failed"}
    assert states["Good0"]["state"] == "up to date"


def test_processes_of_a_node_end_with_the_run(fragile, tmp_path, monkeypatch):
    children = tmp_path / "children.txt"
    monkeypatch.setenv("CHILDREN", str(children))
    with zn.Project() as project:
        fragile.Mother()
    assert project.repro(executor=zn.DaskExecutor(1)).done == ["Mother"]
    pids = [int(pid) for pid in children.read_text().split()]
    assert len(pids) == 3
    assert not [pid for pid in pids if is_running(pid)]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_command_line_names_what_failed(fragile, shell):
    with zn.Project() as project:
        fragile.Below(x=fragile.Raise().out)
    project.build()
    said = shell.znp("repro", "-j", "1", "--quiet", code=1)
    assert "Raise failed: ValueError: this cannot be" in said
    assert "skipped: Below" in said
    assert "Traceback" not in said
    assert "ValueError: this cannot be" in shell.znp("run", "Raise", code=1)


def test_a_failed_node_is_mended_by_its_old_value(fragile, shell):
    with zn.Project() as project:
        node = fragile.Picky(value=1)
    project.repro(executor=zn.SequentialExecutor())
    with zn.Project() as broken:
        fragile.Picky(value=2)
    with pytest.raises(zn.NodeFailedError, match="at most 1"):
        broken.repro(executor=zn.SequentialExecutor())
    assert [item.state for item in broken.status()] == ["failed"]
    report = project.repro(executor=zn.SequentialExecutor())
    assert report.restored == ["Picky"]
    assert node.out == 1
    assert [item.state for item in project.status()] == ["up to date"]
    assert shell.is_clean()
