import pytest

import zn_pipeline as zn
from zn_pipeline.errors import BusyError
from zn_pipeline.execute.session import Session
from zn_pipeline.execute.worker import run_task
from zn_pipeline.records import Status


class Recorder:
    """An executor that notes what it was asked, and runs in this process."""

    def __init__(self):
        self.calls, self.queue = [], []

    def start(self, root, tmp):
        self.calls.append("start")

    def has_workers(self):
        return False

    def submit(self, task):
        self.calls.append(task.name)
        self.queue.append(task)

    def wait(self, timeout_seconds):
        return [run_task(self.queue.pop(0))] if self.queue else []

    def running(self):
        return [task.name for task in self.queue]

    def stop(self):
        self.calls.append("stop")


class Watcher:
    """A display that notes what it was told."""

    def __init__(self):
        self.told = []

    def begin(self, total):
        self.told.append(total)

    def running(self, names):
        pass

    def settled(self, report):
        self.told.append((report.name, report.status))

    def end(self):
        self.told.append("end")


@pytest.fixture
def session(calc, tmp_project):
    with zn.Project() as project:
        x = calc.Const(name="x", value=1)
        calc.Echo(name="y", value=x.out)
    project.build()
    return lambda: Session(tmp_project.path)


def test_an_executor_is_started_only_if_something_runs(session):
    first, watcher = Recorder(), Watcher()
    session().repro((), first, watcher)
    assert first.calls == ["start", "x", "y", "stop"]
    assert watcher.told == [2, ("x", Status.DONE), ("y", Status.DONE), "end"]
    second = Recorder()
    assert session().repro((), second).unchanged == ["x", "y"]
    assert second.calls == []


def test_workers_are_ended_when_the_run_is_interrupted(session):
    class Interrupted(Recorder):
        def wait(self, timeout_seconds):
            raise KeyboardInterrupt

    executor = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        session().repro((), executor)
    assert executor.calls[-1] == "stop"
    assert session().repro((), Recorder()).done == ["x", "y"]


def test_a_result_that_was_never_committed_is_taken_over(session, calc):
    """A driver that was killed leaves the records of its workers."""
    one = session()
    inputs = one._inputs()
    stage = one.stages.stages["x"]

    class Killed(Recorder):
        def wait(self, timeout_seconds):
            run_task(self.queue.pop(0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session().repro((), Killed())
    del inputs, stage
    again = Recorder()
    report = session().repro((), again)
    assert report.done == ["x", "y"]
    assert again.calls == ["start", "y", "stop"]


def test_a_result_that_was_damaged_is_not_taken_over(session, tmp_project):
    class Killed(Recorder):
        def wait(self, timeout_seconds):
            run_task(self.queue.pop(0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session().repro((), Killed())
    (tmp_project.path / "outs" / "x" / "out.json").write_text("77")
    again = Recorder()
    session().repro((), again)
    assert again.calls == ["start", "x", "y", "stop"]
    assert zn.from_rev("y").out == 1


def test_retries(modules, tmp_project):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "from pathlib import Path\n"
        "class Flaky(zn.Node):\n"
        "    resources = zn.Resources(retries=2)\n"
        "    def run(self):\n"
        "        with Path('count.txt').open('a') as file: file.write('x')\n"
        "        if len(Path('count.txt').read_text()) < 3: raise RuntimeError('not yet')\n"
    )
    with zn.Project() as project:
        own.Flaky()
    executor = Recorder()
    assert project.repro(executor=executor, quiet=True).done == ["Flaky"]
    assert executor.calls == ["start", "Flaky", "Flaky", "Flaky", "stop"]


def test_a_second_run_is_busy(session):
    class Nested(Recorder):
        def wait(self, timeout_seconds):
            with pytest.raises(BusyError, match="only one run may change"):
                session().repro((), Recorder())
            return super().wait(timeout_seconds)

    assert session().repro((), Nested()).ok


def test_always_changed_nodes_run_and_stop_the_wave_if_equal(calc, repro):
    for _ in range(2):
        with repro():
            x = calc.Const(value=1, always_changed=True)
            calc.Echo(value=x.out)
    assert repro.done == {"Const"}
    assert repro.report.unchanged == ["Echo"]
