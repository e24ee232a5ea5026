import subprocess
import sys

import pytest

from zn_pipeline.store.locks import run_lock
from zn_pipeline.store.repository import Repository


def test_a_worker_ends_with_its_driver(tmp_project):
    """The closed pipe stands for a driver that died; the worker ends its whole process group."""
    tmp = Repository.find(tmp_project.path).tmp
    tmp.mkdir(parents=True)
    command = [sys.executable, "-P", "-m", "zn_pipeline.execute.dask_worker"]
    process = subprocess.Popen(
        [*command, "tcp://127.0.0.1:9", "w", str(tmp)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    process.stdin.close()
    assert process.wait(60) != 0
    with run_lock(Repository.find(tmp_project.path)):
        pass


def test_arguments_are_needed():
    done = subprocess.run(
        [sys.executable, "-m", "zn_pipeline.execute.dask_worker"],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 1


@pytest.mark.parametrize("name", ["dask", "distributed"])
def test_dask_is_not_imported_with_the_module(name):
    code = f"import sys, zn_pipeline.execute.dask_worker; sys.exit('{name}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
