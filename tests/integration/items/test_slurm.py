"""Maps on a real SLURM: batch jobs that need no driver, and Dask workers."""

import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import zn_pipeline as zn
from zn_pipeline.items.detached import DetachedBackend
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.upkeep import verify
from zn_pipeline.queues.pools import Pool

from ..queues.conftest import PATIENCE, SCRIPTS, answers, until
from .conftest import Ledger, Maps

pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.usefixtures("slurm")]

NODE = "n1"


def of_many_nodes() -> bool:
    return answers("scontrol", "show", "node", NODE)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """Return a pool on the nodes that no test lets fail; jobs are lost without much patience."""
    monkeypatch.setattr("zn_pipeline.queues.jobs.Patience", lambda: PATIENCE)
    extra = (f"--exclude={NODE}",) if of_many_nodes() else ()
    options = {"workers": 4, "items_per_job": 3, "poll_seconds": 0.5, "extra": extra}
    return Pool(name="slurm", kind="slurm", mode="detached", **options)


@pytest.fixture
def submitted(tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that returns all jobs ever submitted by the test."""

    def jobs(word: str = "%i", states: str = "all") -> list[str]:
        command = ["squeue", "--me", "--noheader", f"--states={states}", f"--format={word}|%Z"]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows = [line.partition("|") for line in listed.splitlines()]
        return sorted(row[0].strip() for row in rows if row[2].startswith(str(tmp_path)))

    return jobs


def test_as_anywhere(instrumented, ledger, structures, store, tmp_path, pool):
    """2,000 done and one new: one evaluation; seeds and local functions as in place."""
    *given, new = structures(2001)
    big = DetachedBackend(pool.model_copy(update={"items_per_job": 500}))
    zn.map(instrumented.Springs(), given, store=store, where=big)
    assert ledger.new() == 2000
    zn.map(instrumented.Springs(), [*given[:7], new, *given[::-1]], store=store, where=big)
    assert ledger.new() == 1

    few, factor = given[:6], 3.0
    far = zn.map(instrumented.noisy, few, store=store, where=DetachedBackend(pool), seed=3)
    near = zn.map(instrumented.noisy, few, store=ItemStore(tmp_path / "near"), seed=3)
    for one, other in zip(far, near, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
    lengths = zn.map(
        lambda atoms: len(atoms) * factor, few, store=store, where=DetachedBackend(pool)
    )
    assert lengths == [6.0] * 6
    assert verify(store).clean


def test_the_walltime_is_hit(instrumented, ledger, structures, tmp_path, pool):
    """Known to one job and a surprise to the other: what is finished counts, the rest goes on."""
    short = {"partition": "short", "items_per_job": 20}
    foreseen = pool.model_copy(update={**short, "walltime_minutes": 0.5})
    blind = pool.model_copy(update=short)
    quick = structures(4, 1.0, kind="quick")
    [walker] = structures(1, 0.7, kind="march")  # more than the walltime for all its steps
    [endless] = structures(1, 1e4, kind="endless")
    long = structures(3, 30.0, kind="long")
    stores = [ItemStore(tmp_path / name) for name in ("one", "two")]

    def mapped(items: list[Any], where: Pool, store: ItemStore) -> Any:
        options = {"store": store, "on_error": "record", "progress": False}
        return zn.map(instrumented.nap_or_march, items, where=DetachedBackend(where), **options)

    with ThreadPoolExecutor() as threads:
        known = threads.submit(mapped, [*quick, walker, endless], foreseen, stores[0])
        unknown = threads.submit(mapped, long, blind, stores[1])
    results = known.result()
    assert [atoms.info["name"] for atoms in results] == [
        *(atoms.info["name"] for atoms in quick), "march0",
    ]  # fmt: skip
    expected = instrumented.march_on(walker)
    np.testing.assert_array_equal(results[4].positions, expected.positions)
    [failure] = results.failures
    assert (failure.row, failure.kind, failure.attempts) == (5, "timeout", 3)
    assert len(unknown.result()) == 3

    attempts = ledger.attempts()
    assert all(len(attempts[atoms.info["name"]]) == 1 for atoms in quick)
    assert len(attempts["endless0"]) == 3
    steps = {name: tries for name, tries in attempts.items() if name.startswith("march0/")}
    assert len(steps) == instrumented.N_STEPS
    jobs = {one.pid for tries in steps.values() for one in tries}
    assert len(jobs) in (2, 3)
    assert sum(map(len, steps.values())) <= instrumented.N_STEPS + len(jobs) - 1
    assert sum(len(attempts[f"long{n}"]) for n in range(3)) == 3 + 1  # one was in flight
    assert all(verify(store).clean for store in stores)


def test_a_job_that_is_cancelled(instrumented, ledger, structures, store, pool, submitted):
    items = structures(12, 1.0)
    with ThreadPoolExecutor() as threads:
        future = threads.submit(
            zn.map, instrumented.nap, items, store=store, where=DetachedBackend(pool)
        )
        until(lambda: len(ledger.begun()) >= 5)
        subprocess.run(["scancel", submitted(states="running")[0]], check=True)
        assert len(future.result(240)) == 12
    assert ledger.check({atoms.info["name"] for atoms in items}, kills=1) <= 1
    assert len(submitted()) == 5


def test_a_silent_controller_is_waited_for(
    instrumented, ledger, structures, store, pool, submitted
):
    """For 30 s nothing answers, while some jobs run and others wait to be submitted."""
    items = structures(18, 4.0)
    controller = int(Path("/run/slurmctld.pid").read_text())
    with ThreadPoolExecutor() as threads:
        future = threads.submit(
            zn.map, instrumented.nap, items, store=store, where=DetachedBackend(pool)
        )
        until(lambda: len(ledger.begun()) >= 3)
        os.kill(controller, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                future.result(30)
        finally:
            os.kill(controller, signal.SIGCONT)
        assert len(future.result(300)) == 18
    assert len(ledger.begun()) == 18
    assert len(submitted()) == 6


def test_a_driver_killed_between_submission_and_bookkeeping(
    maps: Maps, ledger: Ledger, structures, pool, submitted
):
    items = structures(9, 1.0)
    driver = maps.start("nap", items, pool, dies=2)
    assert driver.wait(60) == -signal.SIGKILL
    before = submitted()
    assert len(before) == 2
    assert maps.finish("nap", items, pool)["failures"] == []
    assert len(submitted()) == 3
    assert set(before) < set(submitted())
    assert len(ledger.begun()) == 9


def test_drivers_killed_while_jobs_run(maps: Maps, ledger: Ledger, structures, pool, submitted):
    items = structures(12, 2.0)
    for count in (2, 6):
        driver = maps.start("nap", items, pool)
        until(lambda count=count: len(ledger.begun()) >= count)
        driver.kill()
        driver.wait()
    maps.finish("nap", items, pool)
    assert len(submitted()) == 4
    assert len(ledger.begun()) == 12
    assert verify(maps.store).clean


def kill_node(job: str, processes: list[psutil.Process]) -> None:
    """Kill the daemon of the node, what it runs for a job, and the job itself."""
    os.kill(int(Path(f"/run/slurmd-{NODE}.pid").read_text()), signal.SIGKILL)
    for process in psutil.process_iter(["cmdline"]):
        if f"slurmstepd: [{job}." in " ".join(process.info["cmdline"] or ()):
            process.kill()
    for process in processes:
        process.kill()


def test_a_failed_node(maps: Maps, instrumented, ledger, structures, pool, submitted):
    if not of_many_nodes():
        pytest.skip("needs NODES=3 .ci/queues/start_slurm.sh")
    items = structures(4, 4.0)
    mine = pool.model_copy(update={"items_per_job": 4, "extra": (f"--nodelist={NODE}",)})
    with ThreadPoolExecutor() as threads:
        future = threads.submit(
            zn.map, instrumented.nap, items, store=maps.store, where=DetachedBackend(mine)
        )
        until(lambda: len(ledger.begun()) >= 2)
        try:
            kill_node(submitted()[0], maps.processes("zn_pipeline"))
            until(lambda: len(submitted()) == 2, 120)
        finally:
            # Without the mark by which the test finds, and ends, what computes for it.
            environment = {**os.environ, "NODES": "3"}
            del environment["ZN_TEST_LOG"]
            subprocess.run([SCRIPTS / "start_slurm.sh"], check=True, env=environment)
        assert len(future.result(240)) == 4
    assert ledger.check({atoms.info["name"] for atoms in items}, kills=1) == 1
    assert len(submitted()) == 2


def test_dask_workers(maps: Maps, instrumented, ledger, structures, store, pool):
    """One of two worker jobs is cancelled in the middle: only what it was computing is repeated."""
    from zn_pipeline.items.dask import DaskBackend

    cluster = pool.model_copy(update={"mode": "dask", "workers": 2, "walltime_minutes": 10})
    items = structures(120, 0.3)
    with ThreadPoolExecutor() as threads:
        future = threads.submit(
            zn.map, instrumented.nap, items, store=store, where=DaskBackend(cluster)
        )
        until(lambda: future.done() or len({pid for _, _, pid in ledger.lines()}) >= 2, 120)
        until(lambda: future.done() or len(ledger.begun()) >= 20)
        assert not future.done(), future.result()
        [worker] = [
            process for process in maps.processes() if str(process.pid) == ledger.lines()[-1][2]
        ]
        job = worker.environ()["SLURM_JOB_ID"]
        subprocess.run(["scancel", job], check=True)
        assert len(future.result(300)) == 120
    ledger.check({atoms.info["name"] for atoms in items}, kills=1)
    assert len(ledger.begun()) <= 121
    assert verify(store).clean
