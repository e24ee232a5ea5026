"""Whatever is killed and whenever: only what was being computed is computed again."""

import contextlib
import signal
import time
from collections.abc import Callable

import numpy as np
import psutil
import pytest
from ase import Atoms

from zn_pipeline.items.detached import DetachedBackend
from zn_pipeline.queues.pools import Pool

from ..queues.conftest import until
from .conftest import Ledger, Maps

pytestmark = pytest.mark.slow

RUNNER, BUNDLE, DASK_WORKER = "zn_pipeline.queues.job", "zn_pipeline.items.bundle", "spawn_main"
N_ITEMS = 600


class Campaign:
    """Starts maps of the same items, kills something at random moments, and counts."""

    def __init__(self, maps: Maps, ledger: Ledger, items: list[Atoms], where: object) -> None:
        self.maps = maps
        self.ledger = ledger
        self.items = items
        self.where = where
        self.random = np.random.default_rng(11)
        self.kills = 0

    def round(self, *victims: Callable[[psutil.Process], list[psutil.Process]]) -> None:
        """Start a driver and kill one thing after the other; wait until nothing is left of it."""
        driver = self.maps.start("nap", self.items, self.where)
        process = psutil.Process(driver.pid)
        for victim in victims:
            target = len(self.ledger.lines()) + int(self.random.integers(1, 25))
            until(
                lambda target=target: (
                    driver.poll() is not None or len(self.ledger.lines()) >= target
                ),
                90,
            )
            time.sleep(float(self.random.uniform(0, 0.05)))
            assert driver.poll() is None, "there must be enough items to kill something"
            doomed = victim(process)
            for one in doomed:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            self.kills += bool(doomed)
        if driver.poll() is None:
            driver.kill()
            self.kills += 1
        assert driver.wait() == -signal.SIGKILL

    def finish(self, kills: int) -> None:
        """Run to the end and hold the bars."""
        assert self.kills >= kills
        said = self.maps.finish("nap", self.items, self.where, batch=None)
        assert said["failures"] == []
        assert said["ok"] + said["cached"] == len(self.items)
        self.maps.all_end()
        in_flight = self.ledger.check({atoms.info["name"] for atoms in self.items}, self.kills)
        total = len(self.ledger.begun())
        print(f"{self.kills} kills, {total} evaluations of {len(self.items)} items, "
              f"{in_flight} in flight")  # fmt: skip
        assert self.maps.finish("nap", self.items, None)["cached"] == len(self.items)
        assert len(self.ledger.begun()) == total


def the_driver(driver: psutil.Process) -> list[psutil.Process]:
    return [driver]


def a_child(driver: psutil.Process) -> list[psutil.Process]:
    return driver.children()[:1]


def all_children(driver: psutil.Process) -> list[psutil.Process]:
    return [*driver.children(), driver]


def test_processes(maps: Maps, ledger: Ledger, structures):
    campaign = Campaign(maps, ledger, structures(N_ITEMS, 0.02), 2)
    for _ in range(5):
        campaign.round(the_driver)
        campaign.maps.all_end()
        campaign.round(a_child, a_child, the_driver)
    campaign.finish(kills=20)


def test_dask(maps: Maps, ledger: Ledger, structures):
    def a_worker(driver: psutil.Process) -> list[psutil.Process]:
        workers = [one for one in driver.children() if DASK_WORKER in " ".join(one.cmdline())]
        return workers[:1]

    campaign = Campaign(maps, ledger, structures(N_ITEMS, 0.02), {"dask": 2})
    for _ in range(2):
        campaign.round(the_driver)
        campaign.round(a_worker, a_worker, the_driver)
    campaign.finish(kills=8)


def test_jobs(maps: Maps, ledger: Ledger, structures, here: Pool):
    """A driver, what a job computes with, or all of a job."""

    def what_computes(driver: psutil.Process) -> list[psutil.Process]:
        return maps.processes(BUNDLE)[:1]

    def a_job(driver: psutil.Process) -> list[psutil.Process]:
        runners = [one for one in maps.processes(RUNNER) if "schedulers" not in str(one.cmdline())]
        return [*runners[:1], *runners[0].children(recursive=True)] if runners else []

    items = structures(240, 0.1)
    campaign = Campaign(maps, ledger, items, here.model_copy(update={"items_per_job": 30}))
    campaign.round(the_driver)
    campaign.round(what_computes, a_job, the_driver)
    campaign.round(a_job, the_driver)
    campaign.round(what_computes, the_driver)
    campaign.round(the_driver)
    campaign.round(a_job, what_computes, the_driver)
    campaign.finish(kills=12)


@pytest.mark.parametrize("kind", ["processes", "dask", "jobs"])
def test_two_drivers_at_once(maps: Maps, ledger: Ledger, structures, here: Pool, kind):
    """No item is computed twice, none is lost, each driver gets all."""
    where = {"processes": 2, "dask": {"dask": 2}, "jobs": here}[kind]
    items = structures(60, 0.02)
    drivers = [maps.start("nap", given, where) for given in (items, items[::-1], items[20:])]
    said = [maps.end_of(driver) for driver in drivers]
    assert [one["ok"] + one["cached"] for one in said] == [60, 60, 40]
    assert sorted(ledger.begun()) == sorted(atoms.info["name"] for atoms in items)
    maps.all_end()


def test_the_jobs_of_one_driver_serve_several(maps: Maps, ledger: Ledger, structures, store, here):
    """What a driver left behind is taken over by two that ask for parts of it."""
    import zn_pipeline as zn

    items = structures(12, 0.5)
    zn.map(maps.function("nap"), items, store=store, where=DetachedBackend(here, wait=False))
    drivers = [maps.start("nap", given, here) for given in (items[:6], items[2:9], items[::2])]
    for driver in drivers:
        maps.end_of(driver)
    assert sorted(ledger.begun()) == sorted(set(ledger.begun()))


def test_an_interrupted_walk_goes_on(maps: Maps, ledger: Ledger, structures, here: Pool):
    """Killed again and again, it gives what it would have given, from its checkpoints."""
    walkers = structures(2, 0.05, kind="march")
    for where in (2, None, here):
        target = len(ledger.lines()) + 30
        driver = maps.start("march", walkers, where)
        until(lambda target=target: len(ledger.lines()) >= target)
        driver.kill()
        for one in maps.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    assert not maps.finish("march", walkers, 2)["failures"]
    steps = ledger.begun()
    assert len(steps) <= 2 * 60 + 2 * 3
    assert len(set(steps)) == 2 * 60
    found = maps.results("march", walkers)
    for one, other in zip(found, map(maps.function("march_on"), walkers), strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
