"""When a job counts as lost: signs of life and the queue's word, weighed with patience."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from zn_pipeline.queues.jobfolder import JobFolder, JobStatus, Loss
from zn_pipeline.queues.schedulers import JobState, State

LOSSES: dict[State, Loss] = {
    State.TIMEOUT: "timeout",
    State.OUT_OF_MEMORY: "memory",
    State.CANCELLED: "killed",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before believing bad news.

    Attributes
    ----------
    grace_seconds : a job that the queue does not list, and that gives no sign of life, is lost
        after this time; while the queue does not answer at all, nothing is lost
    stale_seconds : a heartbeat older than this is no sign of life
    settle_seconds : for so long after the queue says that a job ended, its last files may still be
        on their way
    heartbeat_seconds : pause between two signs of life
    """

    grace_seconds: float = 300.0
    stale_seconds: float = 90.0
    settle_seconds: float = 10.0
    heartbeat_seconds: float = 15.0


class Watch:
    """What one driver has seen of one attempt of a job."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._beat: float | None = None
        self._beat_seen = time.monotonic()
        self._missing_since: float | None = None
        self._ended_since: float | None = None

    def judge(self, folder: JobFolder, state: JobState) -> JobStatus:
        """Return the status of a submitted job that is not known to be done."""
        alive, host = self._alive(folder)
        submitted = folder.submitted or {}
        found = JobStatus(
            name=folder.name,
            phase="running" if alive else "unknown",
            message=state.reason,
            attempt=folder.attempt,
            job_id=submitted.get("id"),
            host=host,
        )
        if (done := folder.done) is not None:
            return self._judge_killed(found, done, state)
        if state.state.ended:
            return self._judge_ended(found, folder, state)
        self._ended_since = None
        if state.state == State.UNKNOWN:
            return self._judge_unknown(found, state, alive=alive)
        self._missing_since = None
        phase = "pending" if state.state == State.PENDING and not alive else "running"
        return dataclasses.replace(found, phase=phase)

    def _judge_ended(self, found: JobStatus, folder: JobFolder, state: JobState) -> JobStatus:
        """Believe that a job ended once its files had time to arrive.

        A node that failed for the queue may still compute, as its heartbeat shows.
        """
        self._missing_since = None
        if not self._settled() or (state.state == State.NODE_FAIL and found.phase == "running"):
            return found
        loss = LOSSES.get(state.state, "infrastructure")
        said = f"the queue says {state.reason or state.state.value}"
        if state.state in (State.DONE, State.FAILED):
            said += ", but the job left no done.json"
        if words := folder.last_words():
            said += f"; its script said: {words}"
        return dataclasses.replace(found, phase="lost", loss=loss, message=said)

    def _judge_killed(self, found: JobStatus, done: dict[str, Any], state: JobState) -> JobStatus:
        """Say why a command was ended from outside; the queue may know that it was for memory."""
        code, stopped = done["exit_code"], done["stopped"]
        if stopped == "timeout":
            loss, said = "timeout", "its walltime was over"
        elif not state.state.ended and not self._settled():
            return found
        else:
            loss = LOSSES.get(state.state, "killed")
            said = f"it was stopped and ended with exit code {code}; the queue says {state.reason}"
        return dataclasses.replace(
            found, phase="lost", loss=loss, message=said, exit_code=code, stopped=stopped
        )

    def _settled(self) -> bool:
        """Whether the end of the job has been known for long enough."""
        now = time.monotonic()
        if self._ended_since is None:
            self._ended_since = now
        return now - self._ended_since >= self.patience.settle_seconds

    def _judge_unknown(self, found: JobStatus, state: JobState, *, alive: bool) -> JobStatus:
        """Give up a job only if the queue answers, does not list it, and there is no life."""
        now = time.monotonic()
        if alive or not state.answered:
            self._missing_since = None
            return found
        if self._missing_since is None:
            self._missing_since = now
        if now - self._missing_since < self.patience.grace_seconds:
            return found
        message = (
            f"{state.reason} for {now - self._missing_since:.0f} s, and there is no sign of life"
        )
        return dataclasses.replace(found, phase="lost", loss="infrastructure", message=message)

    def _alive(self, folder: JobFolder) -> tuple[bool, str | None]:
        """Whether the heartbeat is fresh, and where it comes from.

        Clocks of two machines may differ: a heartbeat that moves is fresh, one that has not moved
        for long enough is not; only in between its own time decides.
        """
        heartbeat = folder.heartbeat
        if heartbeat is None:
            return False, None
        stamp, record = heartbeat
        now, stale = time.monotonic(), self.patience.stale_seconds
        if self._beat is not None and stamp != self._beat:
            self._beat, self._beat_seen = stamp, now
            return True, record["host"]
        if self._beat is None:
            self._beat, self._beat_seen = stamp, now
        still_for = now - self._beat_seen
        return still_for < stale and time.time() - stamp < stale + still_for, record["host"]
