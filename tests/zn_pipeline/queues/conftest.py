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


# A batch system of one file: a line `id name` for each job that was submitted and waits for ever.
SBATCH = r"""
queue="$(dirname "$0")/queue"
name=$(grep -o 'job-name=.*' "${@: -1}" | cut -d= -f2)
id=$(($(wc -l <"$queue" 2>/dev/null || echo 0) + 1))
echo "$id|PENDING|None|$name" >>"$queue"
echo "$id"
"""
SQUEUE = r"""
queue="$(dirname "$0")/queue"
[ -e "$(dirname "$0")/down" ] && { echo "Unable to contact slurm controller" >&2; exit 1; }
[ -e "$queue" ] || exit 0
for word in "$@"; do case "$word" in --name=*) wanted="${word#--name=}" ;; esac; done
if [ -n "$wanted" ]; then
    grep -E 'PENDING|RUNNING' "$queue" | awk -F'|' -v w="$wanted" '$4 == w {print $1 "|" $4}'
else
    cut -d'|' -f1-3 "$queue"
fi
"""


class Queue:
    """The batch system of one file."""

    def __init__(self, commands) -> None:
        self.commands = commands
        self.file = commands.folder / "queue"
        commands.write("sbatch", SBATCH)
        commands.write("squeue", SQUEUE)
        commands.say("scontrol", err="Invalid job id specified", code=1)
        commands.say("sacct", code=1)
        commands.say("scancel")

    def say(self, state: str) -> None:
        """Put all jobs into a state."""
        lines = [line.split("|") for line in self.file.read_text().splitlines()]
        self.file.write_text("".join(f"{x[0]}|{state}|None|{x[3]}\n" for x in lines))

    def is_down(self, down: bool) -> None:
        file = self.commands.folder / "down"
        file.touch() if down else file.unlink()

    def lose_answers(self) -> None:
        """Take jobs, and say that something went wrong."""
        fails = "echo 'Socket timed out on send/recv operation' >&2; exit 1"
        self.commands.write("sbatch", SBATCH + fails)

    @property
    def submissions(self) -> int:
        return sum(call.startswith("sbatch") for call in self.commands.calls)


@pytest.fixture
def queue(commands) -> Queue:
    return Queue(commands)
