"""A run that goes on without the terminal."""

import time

import pytest

import zn_pipeline as zn
from zn_pipeline.execute.detach import LOG, detach
from zn_pipeline.store.locks import run_lock
from zn_pipeline.store.repository import Repository


def test_a_run_goes_on_by_itself(calc, tmp_project):
    with zn.Project() as project:
        calc.Const(value=4.0)
    project.build()
    repository = Repository.find(tmp_project.path)
    detach(repository, ["-j", "1"])
    deadline = time.monotonic() + 60
    log = repository.tmp / LOG
    while "1 done in" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert zn.from_rev("Const").out == 4.0


def test_a_second_run_is_refused_at_once(calc, tmp_project):
    repository = Repository.find(tmp_project.path)
    with run_lock(repository), pytest.raises(zn.BusyError, match="only one run"):
        detach(repository, [])
