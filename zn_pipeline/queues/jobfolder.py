"""The files of one job, and what they say.

``intent.json`` is written before the job is submitted, ``submitted.json`` after; ``lost.json`` when
an attempt is given up. These three stay with the driver. ``job.json``, ``job.sh`` and whatever the
work needs go to where the job runs; ``heartbeat``, ``done.json`` and the logs come from there.
"""

from __future__ import annotations

import dataclasses
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from zn_pipeline.queues.job import DONE, HEARTBEAT, LOCK, STDERR, STDOUT
from zn_pipeline.queues.jsonfiles import read_json, write_json
from zn_pipeline.queues.schedulers.base import LOG

INTENT, SUBMITTED, LOST = "intent.json", "submitted.json", "lost.json"
DRIVERS_FILES = (INTENT, SUBMITTED, LOST)
JOBS_FILES = (DONE, HEARTBEAT, LOCK, LOG, STDOUT, STDERR)

# A command that ended by one of these was ended from outside; by another one, it crashed.
FROM_OUTSIDE = {
    -number
    for number in (
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGKILL,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGXCPU,
    )
}

Phase = Literal["waiting", "pending", "running", "unknown", "done", "lost"]
Loss = Literal["infrastructure", "timeout", "memory", "killed"]


@dataclasses.dataclass(frozen=True, slots=True)
class JobStatus:
    """What is known of a job.

    Attributes
    ----------
    phase : ``waiting`` to be submitted, ``pending`` in the queue, ``running``, ``unknown`` for the
        moment, ``done`` (its command ended by itself), or ``lost``
    loss : why a lost job was lost: ``infrastructure``, ``timeout``, ``memory`` or ``killed``
    message : one line for people
    exit_code : of the command, where it ended
    stopped : ``timeout`` or ``killed`` if the command had been asked to stop before it ended
    attempt : 1 for the first submission
    job_id : the queue's id
    host : where it ran
    """

    name: str
    phase: Phase
    loss: Loss | None = None
    message: str = ""
    exit_code: int | None = None
    stopped: str | None = None
    attempt: int = 0
    job_id: str | None = None
    host: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of this attempt."""
        return self.phase in ("done", "lost")


@dataclasses.dataclass(frozen=True, slots=True)
class JobFolder:
    """The folder of one job on the driver's machine."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the job."""
        return self.path.name

    @property
    def intent(self) -> dict[str, Any]:
        """What is wanted, and which attempt this is; empty before the first launch."""
        return read_json(self.path / INTENT) or {}

    @property
    def attempt(self) -> int:
        """Number of the current attempt; 0 before the first launch."""
        return int(self.intent.get("attempt", 0))

    @property
    def submitted(self) -> dict[str, Any] | None:
        """When and as what the current attempt was submitted."""
        return self._of_attempt(SUBMITTED)

    @property
    def done(self) -> dict[str, Any] | None:
        """How the command of the current attempt ended."""
        return self._of_attempt(DONE)

    @property
    def lost(self) -> dict[str, Any] | None:
        """Why the current attempt was given up."""
        return self._of_attempt(LOST)

    @property
    def heartbeat(self) -> tuple[float, dict[str, Any]] | None:
        """Time of the last sign of life of the current attempt, and who gave it."""
        record = self._of_attempt(HEARTBEAT)
        try:
            return None if record is None else ((self.path / HEARTBEAT).stat().st_mtime, record)
        except FileNotFoundError:
            return None

    def write(self, file: str, **record: Any) -> None:
        """Write one of the records, for the current attempt unless it says another."""
        write_json(self.path / file, {"attempt": self.attempt, **record, "time": time.time()})

    def set_aside(self) -> None:
        """Keep how the current attempt ended under its number."""
        if self.done is not None:
            (self.path / DONE).rename(self.path / f"done-{self.attempt}.json")

    def revive(self, ids: Sequence[str]) -> None:
        """Go back to an attempt that had been given up, if its job is one of those in the queue."""
        earlier = read_json(self.path / SUBMITTED)
        if earlier is not None and earlier["id"] in ids and earlier["attempt"] != self.attempt:
            (self.path / LOST).unlink(missing_ok=True)
            self.write(INTENT, **{**self.intent, "attempt": earlier["attempt"]})

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)

    def last_words(self, characters: int = 300) -> str:
        """Return the end of what the job's script printed."""
        try:
            return (self.path / LOG).read_text(errors="replace").strip()[-characters:]
        except OSError:
            return ""

    def status_of_files(self) -> JobStatus | None:
        """Return the status of a job that is done, lost or waiting; None if the queue must say."""
        submitted = self.submitted
        job_id = submitted["id"] if submitted else None
        if (lost := self.lost) is not None:
            return JobStatus(
                self.name,
                "lost",
                loss=lost["loss"],
                message=lost["message"],
                exit_code=lost.get("exit_code"),
                stopped=lost.get("stopped"),
                attempt=self.attempt,
                job_id=job_id,
                host=lost.get("host"),
            )
        if (done := self.done) is not None and not was_ended(done):
            return JobStatus(
                self.name,
                "done",
                exit_code=done["exit_code"],
                stopped=done["stopped"],
                attempt=self.attempt,
                job_id=job_id or done["job_id"],
                host=done["host"],
            )
        if submitted is not None:
            return None
        return JobStatus(self.name, "waiting", attempt=self.attempt)

    def _of_attempt(self, file: str) -> dict[str, Any] | None:
        record = read_json(self.path / file)
        return record if record and int(record.get("attempt", 1)) == self.attempt else None


def was_ended(done: dict[str, Any]) -> bool:
    """Whether a command was ended from outside, and did not take it in its stride."""
    code = int(done["exit_code"])
    return code in FROM_OUTSIDE or (done["stopped"] is not None and code != 0)
