"""Maps as batch jobs of a real Grid Engine."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

import zn_pipeline as zn
from zn_pipeline.items.detached import DetachedBackend
from zn_pipeline.items.upkeep import verify
from zn_pipeline.queues.pools import Pool

from ..queues.conftest import PATIENCE, until

pytestmark = [pytest.mark.slow, pytest.mark.sge, pytest.mark.usefixtures("sge")]


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, ledger) -> Pool:
    """Return a pool of batch jobs; Grid Engine hands no variables on by itself."""
    monkeypatch.setattr("zn_pipeline.queues.jobs.Patience", lambda: PATIENCE)
    options = {"workers": 4, "items_per_job": 4, "poll_seconds": 0.5, "queue": "standard"}
    variables = {"ZN_TEST_LOG": str(ledger.file)}
    return Pool(name="sge", kind="sge", mode="detached", environment=variables, **options)


def test_as_anywhere(instrumented, ledger, structures, store, pool):
    *given, new = structures(2001)
    big = DetachedBackend(pool.model_copy(update={"items_per_job": 1000}))
    zn.map(instrumented.Springs(), given, store=store, where=big)
    assert ledger.new() == 2000
    zn.map(instrumented.Springs(), [new, *given[::-1]], store=store, where=big)
    assert ledger.new() == 1
    factor = 3.0
    lengths = zn.map(
        lambda atoms: len(atoms) * factor, given[:5], store=store, where=DetachedBackend(pool)
    )
    assert lengths == [6.0] * 5


def test_a_job_that_is_deleted(instrumented, ledger, structures, store, pool):
    items = structures(8, 1.0)
    with ThreadPoolExecutor() as threads:
        future = threads.submit(
            zn.map, instrumented.nap, items, store=store, where=DetachedBackend(pool)
        )
        until(lambda: len(ledger.begun()) >= 3)
        listed = subprocess.run(
            ["qstat", "-s", "r"], check=True, capture_output=True, text=True
        ).stdout
        subprocess.run(["qdel", listed.splitlines()[2].split()[0]], check=True)
        assert len(future.result(240)) == 8
    ledger.check({atoms.info["name"] for atoms in items}, kills=1)
    assert verify(store).clean


def test_a_killed_driver(maps, ledger, structures, pool):
    items = structures(8, 1.0)
    driver = maps.start("nap", items, pool)
    until(lambda: len(ledger.begun()) >= 2)
    driver.kill()
    driver.wait()
    maps.finish("nap", items, pool)
    assert len(ledger.begun()) == 8
