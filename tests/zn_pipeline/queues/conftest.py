"""Commands that stand in for those of queues, and pools for them."""

import os
import shlex
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zn_pipeline.queues.pools import Pool
from zn_pipeline.queues.schedulers import Scheduler, scheduler_for
from zn_pipeline.queues.transport import Local


class Commands:
    """A folder first on the path, with scripts under the names of real commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "calls.log"

    def write(self, name: str, script: str) -> None:
        """Write a command; what it is called with is noted first."""
        path = self.folder / name
        note = f'echo "{name} $*" >>{shlex.quote(str(self.log))}'
        path.write_text(f"#!/bin/bash\n{note}\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def say(self, name: str, out: str = "", err: str = "", code: int = 0) -> None:
        """Write a command that prints and ends."""
        lines = [f"printf %s {shlex.quote(out)}", f"printf %s {shlex.quote(err)} >&2"]
        self.write(name, "\n".join([*lines, f"exit {code}"]))

    @property
    def calls(self) -> list[str]:
        """What was called, in order."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Return a place for commands that come before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return Commands(folder)


@pytest.fixture
def make_pool() -> Callable[..., Pool]:
    """Return a maker of pools for detached jobs."""

    def make(kind: str = "local", **settings: Any) -> Pool:
        given = {"name": "test", "mode": "detached", "poll_seconds": 0.1, **settings}
        return Pool(kind=kind, **given)

    return make


@pytest.fixture
def scheduler(tmp_path: Path, make_pool: Callable[..., Pool]) -> Callable[..., Scheduler]:
    """Return a maker of queues on this machine."""

    def make(kind: str, **settings: Any) -> Scheduler:
        return scheduler_for(make_pool(kind, **settings), Local(tmp_path))

    return make
