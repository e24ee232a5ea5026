"""Items on Dask workers: what they finished is never computed again, whatever becomes of them."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ase import Atoms

import zn_pipeline as zn
from zn_pipeline.items.dask import NOTES
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.where import backend_of


@pytest.fixture
def client(counting: ModuleType) -> Iterator[Any]:
    """Return a client of two workers."""
    from distributed import Client, LocalCluster

    quiet = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    options = {"host": "127.0.0.1", "scheduler_kwargs": quiet, "threads_per_worker": 1}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as made:
        yield made


def test_a_client_is_a_place(client: Any):
    assert type(backend_of(client, label="")).__name__ == "DaskBackend"


def test_results_as_in_place(
    client: Any,
    counting: ModuleType,
    evaluations: Callable[[], int],
    structures: list[Atoms],
    store: ItemStore,
    tmp_path: Path,
):
    results = zn.map(counting.Harmonic(), structures, store=store, where=client)
    assert evaluations() == 10
    here = zn.map(counting.Harmonic(), structures, store=ItemStore(tmp_path / "other"))
    evaluations()
    assert list(results) == list(here)
    assert [a.get_potential_energy() for a in results] == [a.get_potential_energy() for a in here]
    zn.map(counting.Harmonic(), structures[::-1] * 2, store=store, where=client)
    assert evaluations() == 0
    assert not list((store.folder / NOTES).glob("*"))


def test_failures_come_back(
    client: Any, counting: ModuleType, structures: list[Atoms], store: ItemStore
):
    options = {"store": store, "where": client, "on_error": "record"}
    results = zn.map(counting.picky, structures, batch=5, **options)
    assert results.rows.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert results.failures[0].message == "three is too much"


def test_a_worker_that_dies_costs_its_item_alone(
    client: Any, counting: ModuleType, structures: list[Atoms], store: ItemStore
):
    # By itself Dask tries a task on several more workers before it says that it is to blame.
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    options = {"store": store, "where": client, "on_error": "record"}
    results = zn.map(counting.deadly, structures, batch=5, **options)
    assert results.rows.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    [failure] = results.failures
    assert (failure.row, failure.kind, failure.attempts) == (3, "killed", 3)


def test_a_worker_that_is_sent_home_loses_nothing(
    client: Any,
    counting: ModuleType,
    evaluations: Callable[[], int],
    structures: list[Atoms],
    store: ItemStore,
    tmp_path: Path,
):
    with ThreadPoolExecutor() as threads:
        options = {"store": store, "where": client, "batch": 5}
        future = threads.submit(zn.map, counting.slower, structures, **options)
        while not (tmp_path / "count").exists() and not future.done():
            time.sleep(0.01)
        client.retire_workers([next(iter(client.scheduler_info()["workers"]))])
        assert len(future.result(60)) == 10
    assert evaluations() <= 11  # one may have been in flight


def test_a_worker_may_die_when_its_result_is_known(
    client: Any,
    counting: ModuleType,
    evaluations: Callable[[], int],
    structures: list[Atoms],
    store: ItemStore,
    tmp_path: Path,
):
    for atoms, seconds in zip(structures, (0.0, 4.0), strict=False):
        atoms.info["seconds"] = seconds
    with ThreadPoolExecutor() as threads:
        options = {"store": store, "where": client, "batch": 1}
        future = threads.submit(zn.map, counting.resting, structures[:2], **options)
        idle: list[str] = []
        while not (tmp_path / "count").exists() or len(idle) != 1:
            time.sleep(0.1)
            idle = [address for address, keys in client.processing().items() if not keys]
        time.sleep(0.5)
        [pid] = client.run(os.getpid, workers=idle).values()
        os.kill(pid, signal.SIGKILL)
        assert len(future.result(60)) == 2
    assert evaluations() == 2
