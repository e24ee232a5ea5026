"""Detached jobs: submitted once, watched by whoever comes along, never lost by a driver's end."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from zn_pipeline.queues.job import DONE, HEARTBEAT, JOB
from zn_pipeline.queues.jobfolder import (
    DRIVERS_FILES,
    INTENT,
    JOBS_FILES,
    LOST,
    SUBMITTED,
    JobFolder,
    JobStatus,
)
from zn_pipeline.queues.jsonfiles import locked, write_json
from zn_pipeline.queues.pools import Pool
from zn_pipeline.queues.schedulers import (
    QueueError,
    RefusedError,
    scheduler_for,
)
from zn_pipeline.queues.schedulers.base import LOG, NO_ANSWER, SCRIPT
from zn_pipeline.queues.transport import Local, Ssh, Transport, TransportError
from zn_pipeline.queues.watch import Patience, Watch
from zn_pipeline.resources import Resources

PYTHON = "{python}"
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\Z")


class Jobs:
    """The jobs of one pool below one folder.

    A job's name is the hash of what it does. Launching a name again finds the job that lives, or
    what it left, and never submits it twice, whatever happened to the driver in between.

    Parameters
    ----------
    pool : where the jobs run
    folder : folder of all job folders; each job is a folder of its name
    patience : when a job counts as lost
    transport : how to reach the pool; from the pool's settings unless given
    """

    def __init__(
        self,
        pool: Pool,
        folder: Path,
        *,
        patience: Patience | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.pool = pool
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.patience = patience or Patience()
        self.transport = transport or transport_for(pool, self.folder)
        self.scheduler = scheduler_for(pool, self.transport)
        self._known: dict[str, JobStatus] = {}
        self._watches: dict[tuple[str, int], Watch] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; jobs go on."""
        self.transport.close()

    def names(self) -> list[str]:
        """Return the names of all jobs of the folder, of this driver and of earlier ones."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{INTENT}"))

    def path(self, name: str) -> Path:
        """Return a job's folder on this machine."""
        return self.folder / name

    def launch(
        self,
        name: str,
        prepare: Callable[[Path], None],
        command: Sequence[str],
        resources: Resources | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        again: bool = False,
    ) -> JobStatus:
        """Have a job run, unless it runs or has run already.

        A job for which there is no room, or whose queue does not answer, is ``waiting``; `poll`
        submits it later. A lost job is submitted anew.

        Parameters
        ----------
        name : letters, digits, ``_`` and ``-``: the hash of what the job does
        prepare : writes what the job needs into its folder; called before the first submission
        command : program and arguments, run in the job's folder; ``{python}`` stands for the
            pool's interpreter
        resources : on top of what the pool says
        environment : variables of the job
        again : also submit a job that is done, unless it still runs

        Raises
        ------
        ValueError
            If the name or the command cannot be used.
        RefusedError
            If the queue will not take such a job.
        """
        if not _VALID.match(name):
            raise ValueError(
                "name must be up to 100 letters, digits, '_' and '-', beginning with a letter or "
                f"digit, received {name!r}"
            )
        if not command:
            raise ValueError("command must name a program, received an empty one")
        job = JobFolder(self.path(name))
        with self._lock(name):
            status = job.status_of_files() if job.attempt else None
            begins = status is None and not job.attempt
            repeats = status is not None and (
                status.phase == "lost" or (again and status.phase == "done")
            )
            if begins or repeats:
                demand = self.pool.demand(resources, attempt=job.attempt + 1)
                self._intend(job, prepare, command, demand, environment)
                status = JobStatus(name=name, phase="waiting", attempt=job.attempt)
            if status is None:
                status = JobStatus(name=name, phase="unknown", attempt=job.attempt)
            if status.phase == "waiting" and self._has_room():
                status = self._submit(job)
            self._known[name] = status
        return status

    def poll(self, names: Iterable[str] | None = None) -> dict[str, JobStatus]:
        """Return how jobs are: those launched by this driver, or those of the given names.

        Never raises for the queue's or the connection's sake.
        """
        for name in names or ():
            self._known.setdefault(name, JobStatus(name=name, phase="unknown"))
        wanted = list(self._known) if names is None else list(names)
        live = [JobFolder(self.path(name)) for name in wanted if not self._known[name].ended]
        with contextlib.suppress(TransportError):
            self.transport.pull_files([job.name for job in live], (DONE, HEARTBEAT, LOG))
        submitted: list[JobFolder] = []
        for job in live:
            status = job.status_of_files()
            if status is None:
                submitted.append(job)
            else:
                self._known[job.name] = status
        self._ask_queue(submitted)
        for job in live:
            if self._known[job.name].phase == "waiting" and job.attempt and self._has_room():
                self._known[job.name] = self._submit_waiting(job)
        return {name: self._known[name] for name in wanted}

    def wait(
        self, names: Iterable[str] | None = None, timeout_seconds: float | None = None
    ) -> dict[str, JobStatus]:
        """Poll until all jobs have ended, or the time is over."""
        chosen = None if names is None else list(names)
        end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            found = self.poll(chosen)
            if all(status.ended for status in found.values()):
                return found
            if end is not None and time.monotonic() >= end:
                return found
            time.sleep(self.pool.poll_seconds)

    def fetch(self, name: str) -> Path:
        """Bring all files of a job here; return its folder.

        Raises
        ------
        TransportError
            If the other machine cannot be reached.
        """
        self.transport.pull(name, skip=DRIVERS_FILES)
        return self.path(name)

    def forget(self, name: str) -> None:
        """Remove a job that has ended, here and there.

        Raises
        ------
        ValueError
            If it has not ended.
        """
        job = JobFolder(self.path(name))
        with self._lock(name):
            status = job.status_of_files()
            if job.attempt and (status is None or not (status.ended or status.phase == "waiting")):
                raise ValueError(f"job {name} must have ended to be forgotten; cancel it first")
            self.transport.remove(name)
            job.remove()
            self._lock_file(name).unlink(missing_ok=True)
        self._known.pop(name, None)

    def cancel(self, names: Iterable[str]) -> None:
        """End jobs; `poll` will say that they are lost.

        Raises
        ------
        QueueError
            If the queue does not answer.
        """
        ids: list[str] = []
        for name in names:
            job = JobFolder(self.path(name))
            with self._lock(name):
                status = job.status_of_files()
                if status is None and (submitted := job.submitted) is not None:
                    ids.append(submitted["id"])
                elif status is not None and status.phase == "waiting" and job.attempt:
                    lost = JobStatus(name, "lost", "killed", "cancelled before it began")
                    self._known[name] = self._lose(job, lost)
        if ids:
            self.scheduler.cancel(ids)

    def _intend(
        self,
        job: JobFolder,
        prepare: Callable[[Path], None],
        command: Sequence[str],
        resources: Resources,
        environment: Mapping[str, str] | None,
    ) -> None:
        """Prepare the folder and say on disk that the next attempt is wanted."""
        if not job.attempt:
            job.path.mkdir(parents=True, exist_ok=True)
            prepare(job.path)
        job.set_aside()
        job.write(
            INTENT,
            attempt=job.attempt + 1,
            pool=self.pool.name,
            command=[self.pool.python if part == PYTHON else part for part in command],
            resources=dataclasses.asdict(resources),
            environment=dict(environment or {}),
        )

    def _submit(self, job: JobFolder) -> JobStatus:
        """Submit an attempt unless the queue has it already; the caller holds the lock."""
        known = job.status_of_files()
        if known is None or known.phase != "waiting":
            return known or JobStatus(name=job.name, phase="unknown", attempt=job.attempt)
        try:
            there = self.transport.folder(job.name)
            queue_name = self.scheduler.job_name(job.name, there)
            found = self.scheduler.find(queue_name)
            job.revive(found)
            if not found:
                self.transport.pull_files([job.name], (DONE,))
                if job.done is not None:
                    return self._told_by_files(job)
                self._write_job(job, queue_name, there)
                self.transport.push(job.name, skip=(*DRIVERS_FILES, *JOBS_FILES))
                found = [self.scheduler.submit(queue_name, there)]
        except RefusedError:
            raise
        except (QueueError, TransportError) as error:
            return JobStatus(job.name, "waiting", message=str(error), attempt=job.attempt)
        job.write(SUBMITTED, id=found[0], pool=self.pool.name)
        return JobStatus(name=job.name, phase="pending", attempt=job.attempt, job_id=found[0])

    def _told_by_files(self, job: JobFolder) -> JobStatus:
        """Return the status that a job's files alone tell."""
        status = job.status_of_files()
        return status or JobStatus(name=job.name, phase="unknown", attempt=job.attempt)

    def _submit_waiting(self, job: JobFolder) -> JobStatus:
        """Submit a job that had to wait; one that another driver is about to submit waits on."""
        try:
            with self._lock(job.name, timeout_seconds=0):
                try:
                    return self._submit(job)
                except RefusedError as error:
                    lost = JobStatus(job.name, "lost", "infrastructure", str(error))
                    return self._lose(job, lost)
        except TimeoutError:
            return self._known[job.name]

    def _write_job(self, job: JobFolder, queue_name: str, there: str) -> None:
        """Write what the job itself reads: its script and its command."""
        intent = job.intent
        resources = Resources(**intent["resources"])
        minutes = resources.walltime_minutes
        record = {
            "command": intent["command"],
            "attempt": intent["attempt"],
            "gpus": resources.gpus,
            "walltime_seconds": None if minutes is None else minutes * 60,
            "heartbeat_seconds": self.patience.heartbeat_seconds,
        }
        write_json(job.path / JOB, record)
        script = self.scheduler.script(queue_name, there, resources, intent["environment"])
        (job.path / SCRIPT).write_text(script, encoding="utf-8")

    def _ask_queue(self, jobs: Sequence[JobFolder]) -> None:
        """Ask for all submitted jobs in one go, and weigh the answers."""
        ids = {job.name: record["id"] for job in jobs if (record := job.submitted) is not None}
        states = self.scheduler.states(sorted(set(ids.values()))) if ids else {}
        for job in jobs:
            watch = self._watches.setdefault((job.name, job.attempt), Watch(self.patience))
            status = watch.judge(job, states.get(ids.get(job.name, ""), NO_ANSWER))
            if status.phase == "lost":
                status = self._lose_judged(job, status)
            self._known[job.name] = status

    def _lose_judged(self, job: JobFolder, status: JobStatus) -> JobStatus:
        """Give up an attempt, unless another driver did so and has begun the next."""
        try:
            with self._lock(job.name, timeout_seconds=0):
                if job.attempt != status.attempt or job.lost is not None:
                    return self._told_by_files(job)
                return self._lose(job, status)
        except TimeoutError:
            return dataclasses.replace(status, phase="unknown", loss=None)

    def _lose(self, job: JobFolder, status: JobStatus) -> JobStatus:
        """Write down that an attempt is lost, and see to it that it does not come to life.

        The caller holds the lock.
        """
        job.write(
            LOST,
            loss=status.loss,
            message=status.message,
            exit_code=status.exit_code,
            stopped=status.stopped,
            host=status.host,
        )
        if (submitted := job.submitted) is not None:
            with contextlib.suppress(QueueError):
                self.scheduler.cancel([submitted["id"]])
        return self._told_by_files(job)

    def _has_room(self) -> bool:
        """Whether one more job may be in the queue."""
        if self.scheduler.limits_itself:
            return True
        live = ("pending", "running", "unknown")
        return sum(known.phase in live for known in self._known.values()) < self.pool.workers

    def _lock_file(self, name: str) -> Path:
        return self.folder / ".locks" / name

    def _lock(
        self, name: str, timeout_seconds: float | None = None
    ) -> contextlib.AbstractContextManager[None]:
        return locked(self._lock_file(name), timeout_seconds)


def transport_for(pool: Pool, folder: Path) -> Transport:
    """Return how to reach a pool."""
    if pool.ssh is None:
        return Local(folder)
    return Ssh(
        pool.ssh.host,
        folder,
        pool.ssh.folder,
        config_file=pool.ssh.config_file,
        login_shell=pool.ssh.login_shell,
    )
