"""Maps on another machine, over a real SSH server on this one."""

import os
import shlex
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import zn_pipeline as zn
from zn_pipeline.items.detached import DetachedBackend
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.upkeep import verify
from zn_pipeline.queues.pools import Pool

from ..queues.conftest import PATIENCE, answers, until

pytestmark = [pytest.mark.slow, pytest.mark.ssh]


@pytest.fixture
def pool(behind_ssh, ledger, monkeypatch: pytest.MonkeyPatch) -> Pool:
    """Return a pool of batch jobs behind ssh."""
    monkeypatch.setattr("zn_pipeline.queues.jobs.Patience", lambda: PATIENCE)
    options = {"workers": 2, "items_per_job": 4, "poll_seconds": 0.5}
    variables = {"ZN_TEST_LOG": str(ledger.file)}
    return Pool(
        name="far", kind="local", mode="detached", ssh=behind_ssh, environment=variables, **options
    )


@pytest.mark.parametrize("kind", ["local", pytest.param("slurm", marks=pytest.mark.slurm)])
def test_results_come_back(instrumented, ledger, structures, store, tmp_path, pool, kind):
    if kind == "slurm" and not answers("sinfo", "--noheader"):
        pytest.skip("SLURM does not run")
    far = DetachedBackend(pool.model_copy(update={"kind": kind}))
    items = structures(10)
    results = zn.map(instrumented.noisy, items, store=store, where=far, seed=5)
    assert ledger.new() == 10
    assert zn.map(instrumented.noisy, items[::-1], store=store, where=far, seed=5)
    assert ledger.new() == 0
    near = zn.map(instrumented.noisy, items, store=ItemStore(tmp_path / "near"), seed=5)
    for one, other in zip(results, near, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
    assert verify(store).clean
    assert not list(Path(pool.ssh.folder).glob("**/manifest.json")), "nothing is left there"


def test_failures_come_back(structures, store, pool):
    def picky(atoms):
        if atoms.info["name"] == "nap3":
            raise ArithmeticError("three is too much")
        return atoms

    far = DetachedBackend(pool)
    results = zn.map(picky, structures(6), store=store, where=far, on_error="record")
    assert results.rows.tolist() == [0, 1, 2, 4, 5]
    assert results.failures[0].message == "three is too much"


def test_a_walk_goes_on_there(instrumented, ledger, structures, store, pool):
    """Its checkpoints stay on the other machine, for the job that goes on."""
    [walker] = structures(1, 0.2, kind="march")
    brief = DetachedBackend(pool.model_copy(update={"walltime_minutes": 0.15}))
    [atoms] = zn.map(instrumented.march, [walker], store=store, where=brief)
    np.testing.assert_array_equal(atoms.positions, instrumented.march_on(walker).positions)
    jobs = {pid for _, _, pid in ledger.lines()}
    assert len(jobs) >= 2
    assert len(ledger.begun()) <= instrumented.N_STEPS + len(jobs) - 1


@pytest.fixture
def fragile_rsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let every third copy break; return a file with a line for each."""
    folder = tmp_path / "bin"
    folder.mkdir()
    copies = tmp_path / "copies"
    real, log = shlex.quote(str(shutil.which("rsync"))), shlex.quote(str(copies))
    (folder / "rsync").write_text(
        f"#!/bin/sh\necho copy >>{log}\n[ $(($(wc -l <{log}) % 3)) = 0 ] && exit 12\n"
        f'exec {real} "$@"\n'
    )
    (folder / "rsync").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return copies


def test_broken_transfers_are_retried(
    instrumented, ledger, structures, store, server, pool, fragile_rsync
):
    """Copies break and so does the connection, in the middle."""
    items = structures(12, 0.5)
    with ThreadPoolExecutor() as threads:
        future = threads.submit(
            zn.map, instrumented.nap, items, store=store, where=DetachedBackend(pool)
        )
        until(lambda: len(ledger.begun()) >= 3)
        server.break_connections()
        assert len(future.result(240)) == 12
    assert len(ledger.begun()) == 12
    assert len(fragile_rsync.read_text().splitlines()) >= 3
    assert verify(store).clean


def test_a_killed_driver(maps, ledger, structures, pool):
    """Its jobs go on, and the next driver brings their results home."""
    items = structures(8, 1.0)
    driver = maps.start("nap", items, pool)
    until(lambda: len(ledger.begun()) >= 2)
    driver.kill()
    driver.wait()
    maps.finish("nap", items, pool)
    assert len(ledger.begun()) == 8
