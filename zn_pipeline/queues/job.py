"""What runs inside a batch job: ``python -m zn_pipeline.queues.job FOLDER``.

It runs the command of the folder's ``job.json`` and says all that a driver needs to know by files:

- ``heartbeat`` is touched every few seconds while the job lives;
- ``stdout.log`` and ``stderr.log`` take what the command prints;
- ``done.json`` appears at the very end, in one step.

The command runs in the folder, in a process group of its own. ``ZN_DEADLINE`` tells it the time
(seconds since 1970) at which it should have stopped beginning new work; half of the margin before
the walltime it gets SIGTERM, and just before the walltime SIGKILL.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from zn_pipeline.queues.environment import visible_gpus
from zn_pipeline.queues.jsonfiles import read_json, write_json

JOB, DONE, HEARTBEAT, LOCK = "job.json", "done.json", "heartbeat", "job.lock"
STDOUT, STDERR = "stdout.log", "stderr.log"
HEARTBEAT_SECONDS = 15.0
LARGEST_MARGIN_SECONDS = 240.0
# Time for the command to end after SIGTERM, where no walltime says otherwise.
GRACE_SECONDS = 8.0
# Some queues send their early warning up to so many seconds too early.
EARLY_SECONDS = 65.0
ALREADY_RUNNING = 75
JOB_IDS = ("SLURM_JOB_ID", "PBS_JOBID", "JOB_ID", "ZN_JOB_ID")


def margin_seconds(walltime_seconds: float) -> float:
    """Return how long before the walltime a command should begin nothing new."""
    return min(LARGEST_MARGIN_SECONDS, walltime_seconds / 10)


def early_warning_seconds(walltime_seconds: float) -> float:
    """Return how long before the walltime a command gets SIGTERM."""
    return margin_seconds(walltime_seconds) / 2


@dataclasses.dataclass(slots=True)
class _Times:
    """When what happens, in seconds since 1970; infinity for never."""

    started: float
    deadline: float = float("inf")
    warn: float = float("inf")
    kill: float = float("inf")

    @classmethod
    def of(cls, walltime_seconds: float | None) -> _Times:
        """Return the times of a job that began when its script says, or now."""
        started = float(os.environ.get("ZN_JOB_STARTED", time.time()))
        if walltime_seconds is None:
            return cls(started)
        end, margin = started + walltime_seconds, margin_seconds(walltime_seconds)
        return cls(started, end - margin, end - margin / 2, end - min(10, margin / 8))


class Runner:
    """Runs the command of one folder, and ends it in time."""

    def __init__(self, folder: Path, job: dict[str, Any]) -> None:
        self.folder = folder
        self.job = job
        self.times = _Times.of(job.get("walltime_seconds"))
        self.stopped: str | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()

    def run(self) -> int:
        """Run the command; return its exit code."""
        identity = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "job_id": next((os.environ[key] for key in JOB_IDS if key in os.environ), None),
            "attempt": self.job.get("attempt", 1),
        }
        write_json(self.folder / HEARTBEAT, identity)
        threading.Thread(target=self._beat, daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._forward)
        code = self._run_command()
        self._over.set()
        record = {
            **identity,
            "exit_code": code,
            "stopped": self.stopped,
            "started": self.times.started,
            "ended": time.time(),
        }
        write_json(self.folder / DONE, record)
        return code

    def _run_command(self) -> int:
        environment = {key: text for key, text in os.environ.items() if key != "ZN_DEADLINE"}
        if self.times.deadline < float("inf"):
            environment["ZN_DEADLINE"] = f"{self.times.deadline:.0f}"
        if "ZN_SLOT" in environment:
            gpus, slot = int(self.job.get("gpus", 0)), int(environment["ZN_SLOT"])
            environment["CUDA_VISIBLE_DEVICES"] = visible_gpus(gpus, slot)
        with (self.folder / STDOUT).open("ab") as out, (self.folder / STDERR).open("ab") as err:
            try:
                self._child = subprocess.Popen(
                    self.job["command"],
                    cwd=self.folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    process_group=0,
                )
            except OSError as error:
                err.write(f"{self.job['command'][0]}: {error.strerror}\n".encode())
                return 127
            if self.stopped:  # the signal came while the command was being started
                self._signal(signal.SIGTERM)
            return self._wait(self._child)

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        """Wait for the command, and end it when its time is over."""
        warned = False
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.wait(self._pause())
                self._signal(signal.SIGKILL)  # what it may have left behind
                return code
            now = time.time()
            if now >= self.times.warn and not warned:
                warned = True
                self.stopped = self.stopped or "timeout"
                self._signal(signal.SIGTERM)
            if now >= self.times.kill:
                self._signal(signal.SIGKILL)

    def _pause(self) -> float:
        """Return how long to wait for the command before looking at the clock again."""
        nearest = min(self.times.warn, self.times.kill) - time.time()
        return min(1.0, max(nearest, 0.05))

    def _forward(self, number: int, frame: FrameType | None) -> None:
        """Hand a signal on; an early warning of the queue is told from a cancelled job."""
        del frame
        if number in (signal.SIGTERM, signal.SIGINT) and self.stopped is None:
            now = time.time()
            if now >= self.times.warn - EARLY_SECONDS and self.times.warn < float("inf"):
                self.stopped = "timeout"
            else:
                self.stopped = "killed"
                self.times.kill = min(self.times.kill, now + GRACE_SECONDS)
        self._signal(number)

    def _signal(self, number: int) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)

    def _beat(self) -> None:
        interval = float(self.job.get("heartbeat_seconds", HEARTBEAT_SECONDS))
        while not self._over.wait(interval):
            with contextlib.suppress(OSError):
                os.utime(self.folder / HEARTBEAT)


def main(folder: Path) -> int:
    """Run the job of a folder, unless it is done or another process runs it."""
    job = read_json(folder / JOB)
    if job is None or not job.get("command"):
        print(f"{folder / JOB} must name a command", file=sys.stderr)
        return 2
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another process runs the job of {folder}", file=sys.stderr)
            return ALREADY_RUNNING
        except OSError as error:  # file systems without locks
            print(f"{folder / LOCK} cannot be locked: {error.strerror}", file=sys.stderr)
        done = read_json(folder / DONE)
        if done is not None and done.get("attempt", 1) == job.get("attempt", 1):
            return 0
        return Runner(folder, job).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
