"""Who may change the repository: runs, workers and stock DVC keep out of each other's way.

- one run of ours at a time: an exclusive lock on a file, freed by the system when the process dies;
- workers hold a shared lock on another file, so that a new run meets no worker of a killed one;
- the outputs folder is announced as being written in DVC's own ``rwlock``;
- ``dvc.lock`` is written under DVC's own repository lock, held for that moment only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import IO

from zn_pipeline.errors import BusyError
from zn_pipeline.naming import WORK_ROOT
from zn_pipeline.store.repository import Repository

_COMMAND = "zn-pipeline repro"


@contextlib.contextmanager
def run_lock(repository: Repository, *, has_workers: bool = False) -> Generator[None, None, None]:
    """Hold the right to run; wait a moment for the workers of a killed run to be gone.

    Parameters
    ----------
    has_workers : whether workers of this process are waiting for work

    Raises
    ------
    BusyError
        If another run of ours holds it.
    """
    folder = repository.tmp
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "run.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise BusyError(
                f"only one run may change {repository.root} at a time, received a second one while "
                f"process {file.read().strip() or 'unknown'} runs; wait for it or stop it"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        if not has_workers:
            with (folder / "workers.lock").open("a+") as workers:
                _wait_for_workers(workers, repository)
                fcntl.flock(workers, fcntl.LOCK_UN)
        yield


def _wait_for_workers(file: IO[str], repository: Repository, patience_seconds: float = 20) -> None:
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                raise BusyError(
                    f"workers of an earlier run of {repository.root} must have ended, but some "
                    f"still hold {repository.tmp / 'workers.lock'}; stop them and try again"
                ) from None
            time.sleep(0.05)
        else:
            return


def hold_worker_lock(tmp: Path) -> IO[str]:
    """Take the shared lock of a worker; it is freed when the process ends."""
    file = (tmp / "workers.lock").open("a+")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


@contextlib.contextmanager
def announced(repository: Repository) -> Generator[None, None, None]:
    """Tell DVC that all outputs are being written.

    Raises
    ------
    BusyError
        If a DVC process reads or writes one of them, or holds the repository.
    """
    from dvc.fs import localfs  # pyright: ignore[reportPrivateImportUsage]
    from dvc.lock import LockError
    from dvc.rwlock import rwlock

    tmp = str(repository.dvc_root / ".dvc" / "tmp")
    outputs = str(repository.root / WORK_ROOT)
    stack = contextlib.ExitStack()
    with stack:
        try:
            with dvc_lock(repository, patience_seconds=3):
                stack.enter_context(
                    rwlock(tmp, localfs, _COMMAND, [], [outputs], repository.hardlink_lock)
                )
        except LockError as error:
            reason = str(error).split("\n")[1:2] or [str(error)]
            raise BusyError(
                f"no DVC process may use {WORK_ROOT}/ during a run, received{reason[0]}; "
                "wait for it to end"
            ) from None
        yield


@contextlib.contextmanager
def dvc_lock(repository: Repository, patience_seconds: float = 60) -> Generator[None, None, None]:
    """Hold DVC's repository lock for a moment.

    Raises
    ------
    BusyError
        If a DVC process holds it longer than ``patience_seconds``.
    """
    from dvc.lock import LockError, make_lock

    tmp = repository.dvc_root / ".dvc" / "tmp"
    tmp.mkdir(parents=True, exist_ok=True)
    lock = make_lock(str(tmp / "lock"), tmp_dir=str(tmp), hardlink_lock=repository.hardlink_lock)
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            lock.lock()
        except LockError:
            if time.monotonic() > deadline:
                raise BusyError(
                    f"{repository.dvc_root} must not be held by another DVC process, but it has "
                    f"been for {patience_seconds:g} s; wait for it to end"
                ) from None
        else:
            break
    try:
        yield
    finally:
        lock.unlock()
