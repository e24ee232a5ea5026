import os

import pytest

import zn_pipeline as zn
from zn_pipeline.execute.dask import MAX_BATCH, DaskExecutor
from zn_pipeline.records import StageResult, Task


def task(name, kind="k", cpus=1):
    return Task(name, "key", "/", "/", "outs/x", (), cpus, kind)


@pytest.mark.parametrize("n", [0, -1])
def test_there_must_be_a_worker(n):
    with pytest.raises(ValueError, match=f"n_workers must be at least 1, received {n}"):
        DaskExecutor(n)


def test_the_first_of_a_kind_runs_alone_and_short_ones_in_batches():
    executor = DaskExecutor(1)
    for i in range(300):
        executor.submit(task(f"t{i}"))
    executor.submit(task("big", cpus=4))
    assert [t.name for t in executor._next_batch()] == ["t0"]
    executor._learn([task("t0")], [StageResult("t0", "key", seconds=1e-6)])
    batch = executor._next_batch()
    assert [t.name for t in batch] == [f"t{i}" for i in range(1, MAX_BATCH + 1)]
    executor._learn([task("t0")], [StageResult("t0", "key", seconds=60.0)])
    assert len(executor._next_batch()) == 1


def test_a_dying_worker_costs_one_node_and_all_stays_on_this_machine(modules, repro, monkeypatch):
    own = modules.make(
        "import os, signal\nimport zn_pipeline as zn\n"
        "class Die(zn.Node):\n"
        "    def run(self):\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "class Live(zn.Node):\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n        self.out = os.getpid()\n"
    )
    addresses = []
    start = DaskExecutor.start

    def spy(self, root, tmp):
        start(self, root, tmp)
        scheduler = self._cluster.scheduler
        addresses.append(scheduler.address)
        sockets = scheduler.http_server._sockets.values()
        addresses.extend(str(socket.getsockname()) for socket in sockets)

    monkeypatch.setattr(DaskExecutor, "start", spy)
    with repro(DaskExecutor(1), check=False):
        own.Die()
        live = own.Live()
    assert repro.report.failed == ["Die"]
    assert "WorkerDied: worker ended by signal 9" in repro.report.stages["Die"].error
    assert repro.report.done == ["Live"]
    assert live.out != os.getpid()
    assert addresses
    assert all("127.0.0.1" in address for address in addresses), addresses


def test_kept_workers_serve_the_next_run_until_their_code_changes(modules, tmp_project):
    text = (
        "import os\nimport zn_pipeline as zn\n"
        "class Where(zn.Node):\n"
        "    value: int = zn.params()\n"
        "    out: list[int] = zn.outs()\n"
        "    def run(self):\n        self.out = [os.getpid(), 1]\n"
    )
    own = modules.make(text)
    found = []
    with DaskExecutor(1) as executor:
        for value in range(3):
            if value == 2:
                tmp_project.write(f"{own.__name__}.py", text.replace("), 1]", "), 2]"))
            with zn.Project() as project:
                node = own.Where(value=value)
            project.repro(executor=executor, quiet=True)
            found.append(node.out)
    (first, _), (second, _), (third, mark) = found
    assert first == second
    assert third != second
    assert mark == 2
    assert not executor.has_workers()


def test_two_workers_run_two_nodes_at_a_time(modules, tmp_project):
    own = modules.make(
        "import os, time\nimport zn_pipeline as zn\n"
        "class Wait(zn.Node):\n"
        "    value: int = zn.params()\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n        time.sleep(0.6)\n        self.out = os.getpid()\n"
    )
    with zn.Project() as project:
        nodes = [own.Wait(value=value) for value in range(4)]
    project.repro(executor=DaskExecutor(2), quiet=True)
    assert len({node.out for node in nodes}) == 2
