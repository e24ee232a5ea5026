"""Maps in processes of their own that can be killed, and a ledger of all evaluations."""

import dataclasses
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psutil
import pytest
from ase import Atoms

import zn_pipeline as zn
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.upkeep import verify
from zn_pipeline.queues.pools import Pool

from ..queues.conftest import Server, behind_ssh, server, sge, slurm, until  # noqa: F401

HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One evaluation of one item.

    Attributes
    ----------
    ended : whether it came to its end
    last : whether it was the last thing that its process did
    """

    name: str
    pid: str
    ended: bool
    last: bool


class Ledger:
    """All evaluations, whoever did them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._seen = 0

    def lines(self) -> list[list[str]]:
        """Return the lines: what, name of the item, process."""
        text = self.file.read_text() if self.file.exists() else ""
        return [line.split() for line in text.splitlines()]

    def begun(self) -> list[str]:
        """Return the names of the items whose evaluation began, in order."""
        return [name for what, name, _ in self.lines() if what == "start"]

    def new(self) -> int:
        """Return how many evaluations have begun since this was asked last."""
        total = len(self.begun())
        new, self._seen = total - self._seen, total
        return new

    def attempts(self) -> dict[str, list[Attempt]]:
        """Return all evaluations of each item, in order."""
        lines = self.lines()
        last = {pid: name for what, name, pid in lines if what == "start"}
        ended = {(name, pid) for what, name, pid in lines if what == "end"}
        found: dict[str, list[Attempt]] = defaultdict(list)
        for what, name, pid in lines:
            if what == "start":
                attempt = Attempt(name, pid, (name, pid) in ended, last[pid] == name)
                found[name].append(attempt)
        return dict(found)

    def check(self, names: set[str], kills: int) -> int:
        """Check that nothing was computed twice but what was being computed by what was killed.

        An evaluation that reached its end may have been killed before its result was written, but
        hardly ever. Returns the number of evaluations that were in flight.
        """
        attempts = self.attempts()
        assert set(attempts) == names
        repeated = [one for every in attempts.values() for one in every[:-1]]
        assert all(one.last for one in repeated), [one for one in repeated if not one.last]
        assert sum(one.ended for one in repeated) <= 1 + kills // 10
        in_flight = [one for every in attempts.values() for one in every if not one.ended]
        total = sum(map(len, attempts.values()))
        late = sum(one.ended for one in repeated)
        assert total == len(names) + len(in_flight) + late
        return len(in_flight)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Return the ledger that all evaluations of the test go to."""
    found = Ledger(tmp_path / "evaluations.log")
    monkeypatch.setenv("ZN_TEST_LOG", str(found.file))
    return found


@pytest.fixture
def instrumented(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the module of functions that write down what they do."""
    monkeypatch.syspath_prepend(str(HERE))
    return importlib.import_module("instrumented")


def make_structures(count: int, seconds: float = 0.0, kind: str = "nap") -> list[Atoms]:
    """Return small structures that all differ."""
    rng = np.random.default_rng(count)
    made: list[Atoms] = []
    for number in range(count):
        atoms = Atoms("Cu2", positions=rng.uniform(0, 5, (2, 3)), cell=[9, 9, 9], pbc=True)
        atoms.info.update(name=f"{kind}{number}", seconds=seconds, kind=kind)
        made.append(atoms)
    return made


@pytest.fixture
def structures() -> Callable[..., list[Atoms]]:
    """Return what makes structures."""
    return make_structures


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ItemStore]:
    """Return an item store."""
    made = ItemStore(tmp_path / "items")
    yield made
    made.close()


@pytest.fixture
def here() -> Pool:
    """Return a pool of batch jobs of this machine."""
    return Pool(
        name="here", kind="local", mode="detached", workers=2, items_per_job=4, poll_seconds=0.2
    )


@pytest.fixture
def client(ledger: Ledger) -> Iterator[Any]:
    """Return a client of two Dask workers."""
    from distributed import Client, LocalCluster

    quiet = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    options = {"host": "127.0.0.1", "scheduler_kwargs": quiet, "threads_per_worker": 1}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as made:
        yield made


class Maps:
    """Runs one map in processes of their own, again and again."""

    def __init__(self, folder: Path, ledger: Ledger, store: ItemStore) -> None:
        self.folder = folder
        self.ledger = ledger
        self.store = store
        self._started: list[subprocess.Popen[str]] = []

    def start(
        self, function: str, items: list[Atoms], where: Any, **settings: Any
    ) -> "subprocess.Popen[str]":
        """Start a driver and go on."""
        number = len(self._started)
        zn.write_frames(self.folder / f"in{number}.h5", items)
        if isinstance(where, Pool):
            where = where.model_dump(mode="json", exclude_defaults=True)
        settings |= {
            "function": function,
            "items": str(self.folder / f"in{number}.h5"),
            "where": where,
            "store": str(self.store.folder),
        }
        file = self.folder / f"settings{number}.json"
        file.write_text(json.dumps(settings))
        process = subprocess.Popen(
            [sys.executable, str(HERE / "driver.py"), str(file)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def finish(
        self, function: str, items: list[Atoms], where: Any, seconds: float = 240, **settings: Any
    ) -> dict[str, Any]:
        """Run to the end, and look at every byte of the store; return what the driver says."""
        driver = self.start(function, items, where, **settings)
        return self.end_of(driver, seconds)

    def end_of(self, driver: "subprocess.Popen[str]", seconds: float = 240) -> dict[str, Any]:
        """Wait for a driver; return what it says."""
        said, _ = driver.communicate(timeout=seconds)
        assert driver.returncode == 0
        self.check_store()
        return json.loads(said.splitlines()[-1])

    def check_store(self) -> None:
        """Look at every byte of the store."""
        report = verify(self.store)
        assert report.clean, report
        assert not report.not_deterministic

    def function(self, name: str) -> Any:
        """Return one of the instrumented functions."""
        return getattr(importlib.import_module("instrumented"), name)

    def results(self, function: str, items: list[Atoms]) -> zn.Frames:
        """Return what is in the store; nothing is left to be computed."""
        begun = len(self.ledger.begun())
        found = zn.map(self.function(function), items, store=self.store)
        assert len(self.ledger.begun()) == begun
        return found

    def processes(self, word: str = "") -> list[psutil.Process]:
        """Return the living processes that compute for the test, other than its drivers."""
        found: list[psutil.Process] = []
        drivers = {driver.pid for driver in self._started} | {os.getpid()}
        for process in psutil.process_iter():
            try:
                marked = process.environ().get("ZN_TEST_LOG") == str(self.ledger.file)
                if (
                    marked
                    and process.pid not in drivers
                    and process.status() != psutil.STATUS_ZOMBIE
                    and word in " ".join(process.cmdline())
                ):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def all_end(self, seconds: float = 60) -> None:
        """Wait until nothing is left that computes for the test."""
        end = time.monotonic() + seconds
        while left := self.processes():
            assert time.monotonic() < end, [process.cmdline() for process in left]
            time.sleep(0.2)

    def close(self) -> None:
        """End what still runs."""
        for driver in self._started:
            if driver.poll() is None:
                driver.kill()
            driver.communicate()
        for process in self.processes():
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue


@pytest.fixture
def maps(
    tmp_path: Path, ledger: Ledger, store: ItemStore, instrumented: ModuleType
) -> Iterator[Maps]:
    """Return what runs maps that can be killed."""
    made = Maps(tmp_path, ledger, store)
    yield made
    made.close()
