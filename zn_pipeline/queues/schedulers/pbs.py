"""PBS Professional, OpenPBS and Torque: ``qsub``, ``qstat``, ``qselect``, ``qdel``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from zn_pipeline.queues.schedulers.base import (
    NO_ANSWER,
    NOT_LISTED,
    SCRIPT,
    JobState,
    QueueError,
    RefusedError,
    Scheduler,
    State,
    clock,
    in_groups,
    mebibytes,
)
from zn_pipeline.resources import Resources

PASSING = re.compile(
    r"cannot connect|connection refused|timed out|timeout|no permission to connect"
    r"|communication|server busy|did not end within|would exceed|try again",
    re.IGNORECASE,
)
GONE = re.compile(r"unknown job id|job has finished|cannot locate job", re.IGNORECASE)
# Exit codes that PBS gives to what it ended itself.
KILLED_MEMORY = (-26, -27)
KILLED_WALLTIME = -29
SIGNALLED = 256
LIVE = "HQRSTUW"


class Pbs(Scheduler):
    """The queue PBS."""

    prefix: ClassVar[str] = "#PBS"
    name_limit: ClassVar[int] = 15

    def options(self, name: str, resources: Resources) -> list[str]:
        """Return the options of a job script, in the grammar of PBS Professional."""
        pool = self.pool
        chunk = f"-l select=1:ncpus={resources.cpus}"
        if resources.memory_gib is not None:
            chunk += f":mem={mebibytes(resources.memory_gib)}mb"
        if resources.gpus:
            chunk += f":ngpus={resources.gpus}"
        options = [f"-N {name}", "-o /dev/null", "-j oe", "-r n", chunk]
        if resources.walltime_minutes is not None:
            options.append(f"-l walltime={clock(resources.walltime_minutes)}")
        if pool.queue or pool.partition:
            options.append(f"-q {pool.queue or pool.partition}")
        if pool.account:
            options.append(f"-A {pool.account}")
        return options

    def submit(self, name: str, folder: str) -> str:
        """Submit the script in a job's folder."""
        answer = self._ask(["qsub", f"{folder}/{SCRIPT}"], again=False)
        found = re.search(r"^(\d+(\[\])?(\.\S+)?)\s*$", answer.out, re.MULTILINE)
        if answer.code == 0 and found:
            return found[1]
        said = answer.err.strip() or answer.out.strip()
        if answer.code == 0 or answer.code >= 124 or PASSING.search(said) or not said:
            raise QueueError(f"qsub must print a job id, received {said!r}")
        raise RefusedError(f"PBS must accept the job {name}, received: {said}")

    def states(self, ids: Sequence[str]) -> dict[str, JobState]:
        """Ask ``qstat`` for all jobs, finished ones too."""
        states: dict[str, JobState] = {}
        for group in in_groups(ids):
            states.update(self._qstat(group))
        return states

    def find(self, name: str) -> list[str]:
        """Return the ids of waiting or running jobs of a name."""
        answer = self._ask(["qselect", "-N", name, "-s", LIVE])
        if answer.code == 0:
            return answer.out.split()
        # Not every system with these commands has this one.
        listed = self._ask(["qstat", "-f"])
        if listed.code:
            raise QueueError(f"qselect or qstat must answer, received: {answer.err.strip()}")
        return [
            job
            for job, fields in jobs_of_text(listed.out).items()
            if fields.get("Job_Name") == name and str(fields.get("job_state")) in LIVE
        ]

    def cancel(self, ids: Sequence[str]) -> None:
        """Cancel jobs."""
        for group in in_groups(ids):
            answer = self._ask(["qdel", *group])
            if answer.code and PASSING.search(answer.err):
                raise QueueError(f"qdel must answer, received: {answer.err.strip()}")

    def _qstat(self, ids: Sequence[str]) -> dict[str, JobState]:
        answer = self._ask(["qstat", "-x", "-f", "-F", "json", *ids])
        jobs = jobs_of_json(answer.out)
        if jobs is None:
            answer = self._ask(["qstat", "-f", *ids])
            jobs = jobs_of_text(answer.out)
        if answer.code and not jobs and not GONE.search(answer.err):
            return dict.fromkeys(ids, NO_ANSWER)
        known = {_number(job): job_state(fields) for job, fields in jobs.items()}
        return {job: known.get(_number(job), NOT_LISTED) for job in ids}


def jobs_of_json(text: str) -> dict[str, dict[str, Any]] | None:
    """Return the jobs of ``qstat -f -F json``, or None if that is no such text."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    jobs = content.get("Jobs") if isinstance(content, dict) else None
    return {job: dict(fields) for job, fields in jobs.items()} if isinstance(jobs, dict) else {}


def jobs_of_text(text: str) -> dict[str, dict[str, Any]]:
    """Return the jobs of plain ``qstat -f``, whose long lines go on after a tab.

    Some servers begin each field with a tab, too.
    """
    jobs: dict[str, dict[str, Any]] = {}
    fields: dict[str, Any] = {}
    for line in re.sub(r"\n\t(?![\w.]+ = )", "", text).splitlines():
        head = re.match(r"Job Id:\s*(\S+)", line)
        if head:
            fields = jobs.setdefault(head[1], {})
        elif " = " in line:
            key, value = line.split(" = ", 1)
            fields[key.strip()] = value.strip()
    return jobs


def job_state(fields: Mapping[str, Any]) -> JobState:
    """Return the state for the fields of one job."""
    letter = str(fields.get("job_state", ""))
    comment = str(fields.get("comment", "")).strip()
    if letter in ("F", "C", "X"):
        return _ended(fields.get("Exit_status", fields.get("exit_status")), comment)
    if letter in ("R", "E", "B", "S", "U"):
        return JobState(State.RUNNING, comment or letter)
    if letter in ("Q", "H", "W", "T", "M"):
        return JobState(State.PENDING, comment or letter)
    return JobState(State.UNKNOWN, comment or letter)


def _ended(status: object, comment: str) -> JobState:
    """Return how a job ended; its comment says which limit a killed job had broken."""
    try:
        code = int(str(status))
    except ValueError:
        return JobState(State.CANCELLED, comment or "ended without an exit status")
    reason = f"exit status {code}" + (f", {comment}" if comment else "")
    broke = re.search(r"(walltime|mem)\S* .*exceeded", comment)
    if code == KILLED_WALLTIME or (broke and broke[1] == "walltime"):
        return JobState(State.TIMEOUT, reason)
    if code in KILLED_MEMORY or broke:
        return JobState(State.OUT_OF_MEMORY, reason)
    if code < 0:
        return JobState(State.NODE_FAIL, reason)
    if code >= SIGNALLED:
        return JobState(State.CANCELLED, reason)
    return JobState(State.FAILED if code else State.DONE, reason)


def _number(job: str) -> str:
    """Return the number of an id: servers answer with longer or shorter names of themselves."""
    return job.split(".", 1)[0]
