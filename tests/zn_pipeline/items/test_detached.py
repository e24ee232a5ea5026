"""Items as batch jobs without a driver, on the queue of this machine."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import zn_pipeline as zn
from zn_pipeline.items.backends import WorkQueue
from zn_pipeline.items.call import Call, step_of
from zn_pipeline.items.detached import DetachedBackend, is_gone, job_name
from zn_pipeline.items.records import Work
from zn_pipeline.queues.jobfolder import JobStatus
from zn_pipeline.queues.pools import Pool
from zn_pipeline.queues.watch import Patience


@pytest.fixture
def pool() -> Pool:
    return Pool(
        name="here", kind="local", mode="detached", workers=2, items_per_job=4, poll_seconds=0.2
    )


def test_results_as_in_place(counting, evaluations, structures, store, pool):
    backend = DetachedBackend(pool)
    results = zn.map(counting.Harmonic(), structures, store=store, where=backend)
    assert evaluations() == 10
    here = zn.map(counting.Harmonic(), structures, store=store)
    assert evaluations() == 0
    assert [a.get_potential_energy() for a in results] == [a.get_potential_energy() for a in here]
    assert not list((store.folder / "jobs" / "here").glob("zn-*"))


def test_one_more_structure_is_one_evaluation(counting, evaluations, structures, store, pool):
    for given in (structures[1:], structures):
        zn.map(counting.Harmonic(), given, store=store, where=DetachedBackend(pool))
    assert evaluations() == 10


def test_local_functions_travel(structures, store, pool):
    size = 2.0

    def grown(atoms):
        atoms.set_cell(atoms.cell * size, scale_atoms=True)
        return atoms

    results = zn.map(grown, structures[:2], store=store, where=DetachedBackend(pool))
    assert results[0].cell[0, 0] == pytest.approx(2 * structures[0].cell[0, 0])


def test_failures_come_back(counting, structures, store, pool):
    results = zn.map(
        counting.picky, structures, store=store, where=DetachedBackend(pool), on_error="record"
    )
    assert [failure.row for failure in results.failures] == [3]
    assert "three is too much" in results.failures[0].message


@pytest.mark.slow
def test_a_job_that_dies_costs_its_item_alone(counting, structures, store, pool):
    results = zn.map(
        counting.deadly, structures, store=store, where=DetachedBackend(pool), on_error="record"
    )
    [failure] = results.failures
    assert (failure.row, failure.kind, failure.attempts) == (3, "killed", 3)
    assert len(results) == 9


@pytest.mark.slow
def test_a_job_that_cannot_begin_is_told(counting, structures, store, pool, monkeypatch):
    monkeypatch.setattr("zn_pipeline.queues.jobs.Patience", lambda: Patience(settle_seconds=0.1))
    broken = pool.model_copy(update={"environment": {"PYTHONHOME": "/nowhere"}})
    with pytest.raises(zn.PipelineError, match="must be able to begin"):
        zn.map(counting.shifted, structures[:1], store=store, where=DetachedBackend(broken))


def test_no_waiting(counting, evaluations, structures, store, pool):
    results = zn.map(
        counting.slow, structures, store=store, where=DetachedBackend(pool, wait=False)
    )
    assert results.report.n_pending == 10
    results = zn.map(counting.slow, structures, store=store, where=DetachedBackend(pool))
    assert len(results) == 10
    assert evaluations() == 10


DRIVER = """
import sys
from pathlib import Path
import importlib.util
spec = importlib.util.spec_from_file_location("counting_items", sys.argv[1])
counting = sys.modules["counting_items"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(counting)
import zn_pipeline as zn
from zn_pipeline.items.detached import DetachedBackend
from zn_pipeline.queues.jobfolder import JobStatus
from zn_pipeline.queues.pools import Pool
pool = Pool(name="here", kind="local", mode="detached", workers=2, items_per_job=4,
            poll_seconds=0.2)
zn.map(counting.slow, sys.argv[2], store=sys.argv[3], where=DetachedBackend(pool))
"""


def test_jobs_of_a_killed_driver_are_taken_over(
    counting, evaluations, structures, store, pool, tmp_path
):
    zn.write_frames(tmp_path / "in.h5", structures)
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    driver = subprocess.Popen(
        [
            sys.executable,
            str(script),
            str(Path(__file__).with_name("counting.py")),
            str(tmp_path / "in.h5"),
            str(store.folder),
        ]
    )
    jobs = store.folder / "jobs" / "here"
    deadline = time.monotonic() + 60
    while len(list(jobs.glob("zn-*/submitted.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    results = zn.map(counting.slow, tmp_path / "in.h5", store=store, where=DetachedBackend(pool))
    assert len(results) == 10
    assert evaluations() == 10


def test_names_of_jobs_tell_what_they_do(counting):
    call = Call(((step_of(counting.shifted, arguments=None, reads=None),),))
    one = [Work(b"1" * 20, b"1" * 16, None)]
    two = [Work(b"2" * 20, b"2" * 16, None)]
    again = [Work(b"1" * 20, b"1" * 16, None, attempts=1)]
    assert job_name(call, one) == job_name(call, one)
    assert len({job_name(call, one), job_name(call, two), job_name(call, again)}) == 3


def test_a_queue_gives_up_what_is_claimed():
    queue = WorkQueue([b"1", b"2", b"3"], lambda keys: list(keys))
    assert queue.claim([b"2", b"9"]) == (b"2",)
    assert queue.take(5) == [b"1", b"3"]


def test_a_walltime_that_is_too_short_is_told(counting, structures, store, pool):
    brief = pool.model_copy(update={"walltime_minutes": 0.001})
    with pytest.raises(zn.PipelineError, match=r"must be able to begin.*walltime"):
        zn.map(counting.shifted, structures[:1], store=store, where=DetachedBackend(brief))


def test_what_two_adopted_and_one_took_up_is_not_waited_for(structures):
    assert is_gone(JobStatus(name="zn-1", phase="waiting", attempt=0))
    assert not is_gone(JobStatus(name="zn-1", phase="waiting", attempt=1))
