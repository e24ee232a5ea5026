"""A run that goes on when the terminal is closed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from zn_pipeline.store.locks import run_lock
from zn_pipeline.store.repository import Repository

LOG = "run.log"

_STARTED: list[subprocess.Popen[bytes]] = []
"""Runs of this process: an object that is thrown away would complain that its process lives."""


def detach(repository: Repository, arguments: Sequence[str]) -> int:
    """Start ``znp repro`` in a session of its own on this machine; return the process id.

    Its output goes to ``run.log`` in the folder of the runs. If it is killed, the next run finds
    the batch jobs that it had submitted, and everything that was finished.

    Parameters
    ----------
    arguments : for ``znp repro``

    Raises
    ------
    BusyError
        If another run is at work.
    """
    with run_lock(repository):  # says so here, not in a log that nobody reads
        repository.tmp.mkdir(parents=True, exist_ok=True)
    with (repository.tmp / LOG).open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "zn_pipeline.cli", "repro", *arguments],
            cwd=repository.root,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _STARTED.append(process)
    return process.pid
