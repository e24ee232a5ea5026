"""Computing a chunk: each result is written before the next item begins, and nothing raises."""

import errno
import subprocess
import time

import pytest

from zn_pipeline.items.call import Call, step_of
from zn_pipeline.items.records import Work
from zn_pipeline.items.runner import failure_kind, failure_of, job_id, run_chunk


def works(call, items):
    made = []
    for item in items:
        key, structure, seed = call.identify(0, 0, item)
        made.append(Work(key, structure, item, seed))
    return made


@pytest.fixture
def run(store, tmp_path):
    def run(function, items, **options):
        call = Call(((step_of(function, arguments=None, reads=None),),))
        work = works(call, items)
        return run_chunk(call, work, store.writer(), scratch=tmp_path / "scratch", **options)

    return run


def test_what_fails_is_data(run, counting, structures, store):
    done = run(counting.picky, structures[:5])
    assert [entry.status for entry in done] == ["ok", "ok", "ok", "failed", "ok"]
    failure = store.read(done[3].place)
    assert (failure["kind"], failure["type"], failure["attempts"]) == (
        "calculation", "ArithmeticError", 1,
    )  # fmt: skip
    assert store.read(done[4].place).info["name"] == 4


def test_nothing_begins_that_would_end_too_late(run, counting, structures):
    assert run(counting.slower, structures, deadline=time.time() - 1) == []
    assert len(run(counting.slower, structures, deadline=time.time() + 0.5)) in (1, 2)


def test_nothing_begins_after_the_word(run, counting, structures):
    answers = iter([True, True, False])
    assert len(run(counting.tagged, structures, go_on=lambda: next(answers))) == 2


class Told(Exception):
    failure_kind = "infrastructure"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError(), "calculation"),
        (Told(), "infrastructure"),
        (MemoryError(), "memory"),
        (TimeoutError(), "timeout"),
        (subprocess.TimeoutExpired("x", 1), "timeout"),
        (ConnectionResetError(), "infrastructure"),
        (OSError(errno.ENOSPC, "full"), "infrastructure"),
        (OSError(errno.ENOENT, "no file"), "calculation"),
    ],
)
def test_kinds_of_failures(error, kind):
    assert failure_kind(error) == kind


def test_kept_files_are_named(tmp_path):
    (tmp_path / "log").touch()
    assert failure_of(ValueError("x"), tmp_path)["kept_files"] == [str(tmp_path / "log")]
    error = ValueError("x")
    error.kept_files = ["a"]
    assert failure_of(error, tmp_path)["kept_files"] == ["a"]


def test_the_job_is_known(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert job_id() == "17"
