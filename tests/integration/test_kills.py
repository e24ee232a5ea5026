"""Whatever is killed and whenever: finished nodes count, nothing is half written, all goes on."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from zn_pipeline.store.objects import md5_of_file

N_LAYERS, WIDTH = 6, 10

NODES = """
import os
import time

import zn_pipeline as zn


def note(what: str, name: str) -> None:
    log = os.open(os.environ["RUN_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{what} {name} {os.getpid()}\\n".encode())
    os.close(log)


class Step(zn.Node):
    index: int = zn.params()
    generation: int = zn.params(0)
    above: list[int] = zn.deps()
    out: int = zn.outs()
    text: str = zn.outs()

    def run(self) -> None:
        note("start", self.name)
        time.sleep(0.02 + 0.005 * (self.index % 7))
        self.out = self.index + sum(self.above)
        self.text = f"{self.generation} {self.out} " * 5000
        note("end", self.name)
"""


def node_name(index: int) -> str:
    return "Step" if index == 0 else f"Step_{index}"


def above(index: int) -> list[int]:
    """Return the nodes that a node of the layered graph reads."""
    layer, place = divmod(index, WIDTH)
    if layer == 0:
        return []
    return [(layer - 1) * WIDTH + place, (layer - 1) * WIDTH + (place + 1) % WIDTH]


def expected_values() -> list[int]:
    values: list[int] = []
    for index in range(N_LAYERS * WIDTH):
        values.append(index + sum(values[up] for up in above(index)))
    return values


def workers_of(driver: psutil.Process) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in driver.children():
        with contextlib.suppress(psutil.NoSuchProcess):  # also raised for one that is a zombie
            if "zn_pipeline.execute.dask_worker" in process.cmdline():
                found.append(process)
    return found


class Campaign:
    """Runs the graph again and again, and kills it."""

    def __init__(self, shell, log: Path, until: Callable[..., None], seed: int) -> None:
        self.shell = shell
        self.log = log
        self.until = until
        self.random = np.random.default_rng(seed)
        self.generation = 0
        self.kills = 0
        self.finished: set[str] = set()

    def lines(self) -> list[list[str]]:
        """Return the complete lines of the log: what, node, process."""
        text = self.log.read_text() if self.log.exists() else ""
        return [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def round(self, *victims: str) -> None:
        """Start a run and kill one thing after the other."""
        self.log.unlink(missing_ok=True)
        run = self.shell.start("znp", "repro", "--quiet", "-j", "2")
        driver = psutil.Process(run.pid)
        seen: set[psutil.Process] = set()
        for victim in victims:
            target = len(self.lines()) + int(self.random.integers(1, 12))
            self.until(
                lambda target=target: len(self.lines()) >= target or run.poll() is not None,
                "a node",
            )
            time.sleep(float(self.random.uniform(0, 0.06)))
            if run.poll() is not None:
                break
            workers = workers_of(driver)
            seen.update(workers)
            self._kill(victim, run.pid, workers)
            self.kills += 1
        if victims[-1] == "worker":
            run.communicate(timeout=60)
        run.wait(timeout=60)
        _, alive = psutil.wait_procs(list(seen), timeout=10)
        assert not alive, "workers end with their driver"
        self._check_log(quiet=victims[-1] == "stalled driver" and run.returncode < 0)
        self._check_files()
        if run.returncode == 0:
            self.change()

    def _kill(self, victim: str, driver: int, workers: list[psutil.Process]) -> None:
        pids = [worker.pid for worker in workers]
        if victim == "worker":
            pids = pids and [int(self.random.choice(pids))]
        elif victim == "driver":
            pids = [driver]
        elif victim == "stalled driver":
            pids = [driver]
            os.kill(driver, signal.SIGSTOP)
            self._until_all_is_quiet()
        else:
            pids = [int(pid) for pid in self.random.permutation([driver, *pids])]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _until_all_is_quiet(self) -> None:
        """Let the workers end what they have; the driver takes no notice of it."""
        count = -1
        while count < len(self.lines()):
            count = len(self.lines())
            time.sleep(0.5)

    def _check_log(self, *, quiet: bool = False) -> None:
        """No node that had finished ran again; remember which have finished now."""
        lines = self.lines()
        repeated = self.finished & {name for what, name, _ in lines if what == "start"}
        assert not repeated, f"after kill {self.kills} these ran again: {sorted(repeated)}"
        last = {process: name for _, name, process in lines}
        in_flight = set() if quiet else set(last.values())
        ended = {name for what, name, _ in lines if what == "end"}
        self.finished |= ended - in_flight

    def _check_files(self) -> None:
        lock = Path("dvc.lock")
        if lock.exists():
            entries = yaml.safe_load(lock.read_text())["stages"]
            assert all(set(entry) >= {"cmd", "params", "outs"} for entry in entries.values())
        for path in Path(".dvc/cache/files/md5").rglob("*"):
            if path.is_file() and not path.name.endswith(".part"):
                assert md5_of_file(path) == path.parent.name + path.name

    def change(self) -> None:
        """Make all nodes stale, so that there is something to kill again."""
        params = Path("params.yaml")
        old, self.generation = self.generation, self.generation + 1
        text = params.read_text().replace(f"generation: {old}", f"generation: {self.generation}")
        params.write_text(text)
        self.finished.clear()

    def finish(self) -> None:
        """Run to the end, and look at every file."""
        self.log.unlink(missing_ok=True)
        self.shell.znp("repro", "--quiet", "-j", "2")
        self._check_log()
        self._check_files()
        for index, value in enumerate(expected_values()):
            folder = Path("outs", node_name(index))
            assert json.loads((folder / "out.json").read_text()) == value
            text = json.loads((folder / "text.json").read_text())
            assert text == f"{self.generation} {value} " * 5000
        assert self.shell.is_clean()
        assert self.shell.stale() == []
        assert not list(Path(".dvc/tmp/zn_pipeline/results").glob("*.json"))
        assert not list(Path(".dvc/tmp/zn_pipeline/scratch").glob("*"))


@pytest.fixture
def campaign(tmp_project, shell, run_log, until):
    tmp_project.write("steps.py", NODES)
    tmp_project.write(
        "workflow.py",
        "import zn_pipeline as zn\nfrom steps import Step\n"
        f"above = {[above(index) for index in range(N_LAYERS * WIDTH)]}\n"
        "nodes = []\n"
        "with zn.Project() as project:\n"
        "    for index, ups in enumerate(above):\n"
        "        nodes.append(Step(index=index, above=[nodes[up].out for up in ups]))\n"
        "project.build()\n",
    )
    shell.run("python", "workflow.py")
    return Campaign(shell, run_log.file, until, seed=7)


def test_a_few_kills(campaign):
    campaign.round("worker", "stalled driver")
    campaign.round("driver")
    campaign.round("both")
    campaign.finish()
    assert campaign.kills == 4


@pytest.mark.slow
def test_forty_kills(campaign):
    pattern = [
        ("driver",),
        ("worker", "both"),
        ("both",),
        ("worker", "driver"),
        ("worker", "worker"),
        ("worker", "stalled driver"),
    ]
    count = 0
    while campaign.kills < 40:
        campaign.round(*pattern[count % len(pattern)])
        count += 1
    campaign.finish()
