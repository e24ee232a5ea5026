"""What all queues have in common: states of jobs, names, and the script of a job."""

from __future__ import annotations

import abc
import dataclasses
import enum
import hashlib
import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from zn_pipeline.errors import PipelineError, QueueError
from zn_pipeline.queues.environment import worker_environment
from zn_pipeline.queues.pools import Pool
from zn_pipeline.queues.transport import Answer, Transport
from zn_pipeline.resources import Resources

SCRIPT = "job.sh"
LOG = "job.log"


class RefusedError(QueueError):
    """The queue answered, and refused the job."""


class State(enum.StrEnum):
    """What a queue says of a job."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    TIMEOUT = "timeout"
    NODE_FAIL = "node_fail"
    OUT_OF_MEMORY = "out_of_memory"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def ended(self) -> bool:
        """Whether the queue says that the job is over."""
        return self not in (State.PENDING, State.RUNNING, State.UNKNOWN)


@dataclasses.dataclass(frozen=True, slots=True)
class JobState:
    """State of one job.

    Attributes
    ----------
    reason : the queue's own words
    answered : whether the queue answered at all; if it did, UNKNOWN means that it lists no such job
    """

    state: State
    reason: str = ""
    answered: bool = True


NO_ANSWER = JobState(State.UNKNOWN, "the queue does not answer", answered=False)
NOT_LISTED = JobState(State.UNKNOWN, "the queue lists no such job")


class Scheduler(abc.ABC):
    """One kind of queue.

    Attributes
    ----------
    prefix : what the lines of options in a script begin with
    name_limit : longest name of a job
    limits_itself : whether the queue itself keeps to the pool's number of workers
    """

    prefix: ClassVar[str] = "#"
    name_limit: ClassVar[int] = 64
    limits_itself: ClassVar[bool] = False

    def __init__(self, pool: Pool, transport: Transport) -> None:
        self.pool = pool
        self.transport = transport

    @abc.abstractmethod
    def options(self, name: str, resources: Resources) -> list[str]:
        """Return the options of a job script, without the prefix."""

    @abc.abstractmethod
    def submit(self, name: str, folder: str) -> str:
        """Submit the script in a job's folder; return the queue's id of the job.

        Raises
        ------
        RefusedError
            If the queue will never take this job.
        QueueError
            If it is not known whether the queue took it.
        """

    @abc.abstractmethod
    def states(self, ids: Sequence[str]) -> dict[str, JobState]:
        """Return the state of every job asked for; never raises."""

    @abc.abstractmethod
    def find(self, name: str) -> list[str]:
        """Return the ids of waiting or running jobs of a name.

        Raises
        ------
        QueueError
            If the queue does not answer.
        """

    @abc.abstractmethod
    def cancel(self, ids: Sequence[str]) -> None:
        """End jobs; those that are over are left alone.

        Raises
        ------
        QueueError
            If the queue does not answer.
        """

    def job_name(self, name: str, folder: str) -> str:
        """Return what a job is called in the queue: the same for the same folder, always."""
        return queue_name(name, folder, self.name_limit)

    def script(
        self,
        name: str,
        folder: str,
        resources: Resources,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Return the script that runs the command of a job's folder."""
        options = [*self.options(name, resources), *self.pool.extra]
        variables = {
            **worker_environment(resources),
            **self.pool.environment,
            **(environment or {}),
        }
        lines = [
            "#!/bin/bash",
            *(f"{self.prefix} {option}" for option in options if self.prefix != "#"),
            *self.pool.directives,
            f"exec >>{shlex.quote(f'{folder}/{LOG}')} 2>&1",
            *([] if self.limits_itself else ["unset ZN_SLOT"]),
            "export ZN_JOB_STARTED=$(date +%s)",
            *(f"export {key}={shlex.quote(value)}" for key, value in variables.items()),
            *self.pool.setup,
            f"cd {shlex.quote(folder)} || exit 74",
            f"exec {shlex.quote(self.pool.python)} -P -m zn_pipeline.queues.job .",
        ]
        return "\n".join(lines) + "\n"

    def _ask(self, command: Sequence[str], *, again: bool = True) -> Answer:
        """Run a command of the queue; a connection that cannot be had counts as no answer."""
        try:
            return self.transport.run(command, again=again)
        except PipelineError as error:
            return Answer(255, "", str(error))


def queue_name(name: str, folder: str, limit: int) -> str:
    """Return a name of safe characters, not longer than a limit, that no other folder has.

    Short limits keep the digest alone.
    """
    digest = hashlib.blake2b(folder.encode(), digest_size=16)
    if limit < 32:
        return f"zn{digest.hexdigest()}"[:limit]
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[: limit - 16]
    return f"zn-{readable}-{digest.hexdigest()[:12]}"


def clock(minutes: float) -> str:
    """Return a walltime as ``HH:MM:SS``, rounded up to seconds."""
    seconds = math.ceil(minutes * 60)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def mebibytes(gib: float) -> int:
    """Return memory in MiB, rounded up."""
    return math.ceil(gib * 1024)


def in_groups(ids: Iterable[str], size: int = 300) -> list[list[str]]:
    """Cut a list of ids into commands of bearable length."""
    every = list(ids)
    return [every[start : start + size] for start in range(0, len(every), size)]
