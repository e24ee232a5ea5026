"""Grid Engine: ``qsub``, ``qstat``, ``qacct``, ``qdel``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import ClassVar
from xml.etree import ElementTree

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
    mebibytes,
)
from zn_pipeline.resources import Resources

PASSING = re.compile(
    r"unable to (contact|send|receive)|timeout|timed out|commlib|communication|can't connect"
    r"|got send error|did not end within|max_u_jobs|job limit",
    re.IGNORECASE,
)
LIMIT_EXCEEDED = 37
AFTER_JOB = 100


class Sge(Scheduler):
    """The queue Grid Engine."""

    prefix: ClassVar[str] = "#$"

    def options(self, name: str, resources: Resources) -> list[str]:
        """Return the options of a job script; memory is asked for by core, as ``h_vmem``."""
        pool = self.pool
        options = [f"-N {name}", "-S /bin/bash", "-o /dev/null", "-j y", "-r n"]
        if pool.queue or pool.partition:
            options.append(f"-q {pool.queue or pool.partition}")
        if pool.account:
            options.append(f"-P {pool.account}")
        if resources.cpus > 1:
            options.append(f"-pe {pool.parallel_environment} {resources.cpus}")
        if resources.memory_gib is not None:
            of_core = math.ceil(mebibytes(resources.memory_gib) / resources.cpus)
            options.append(f"-l h_vmem={of_core}M")
        if resources.gpus:
            options.append(f"-l gpu={resources.gpus}")
        if resources.walltime_minutes is not None:
            options.append(f"-l h_rt={clock(resources.walltime_minutes)}")
        return options

    def submit(self, name: str, folder: str) -> str:
        """Submit the script in a job's folder."""
        answer = self._ask(["qsub", "-terse", "-wd", folder, f"{folder}/{SCRIPT}"], again=False)
        found = re.search(r"^(\d+)(\.\S+)?\s*$", answer.out, re.MULTILINE)
        if answer.code == 0 and found:
            return found[1]
        said = answer.err.strip() or answer.out.strip()
        if answer.code == 0 or answer.code >= 124 or PASSING.search(said) or not said:
            raise QueueError(f"qsub must print a job id, received {said!r}")
        raise RefusedError(f"Grid Engine must accept the job {name}, received: {said}")

    def states(self, ids: Sequence[str]) -> dict[str, JobState]:
        """Ask ``qstat`` for all jobs, then ``qacct`` for those that are gone."""
        listed = self._qstat()
        if listed is None:
            return dict.fromkeys(ids, NO_ANSWER)
        return {
            job: job_state(listed[job][1]) if job in listed else self._qacct(job) for job in ids
        }

    def find(self, name: str) -> list[str]:
        """Return the ids of waiting or running jobs of a name."""
        listed = self._qstat()
        if listed is None:
            raise QueueError("qstat must answer")
        return [
            job
            for job, (known, letters) in listed.items()
            if known == name and not job_state(letters).state.ended and "d" not in letters
        ]

    def cancel(self, ids: Sequence[str]) -> None:
        """Cancel jobs."""
        if not ids:
            return
        answer = self._ask(["qdel", *ids])
        if answer.code and PASSING.search(answer.out + answer.err):
            raise QueueError(f"qdel must answer, received: {answer.err.strip()}")

    def _qstat(self) -> dict[str, tuple[str, str]] | None:
        """Return name and state letters of all jobs, or None; the XML form has the whole names."""
        answer = self._ask(["qstat", "-u", "*", "-xml"])
        if answer.code:
            return None
        try:
            tree = ElementTree.fromstring(answer.out)
        except ElementTree.ParseError:
            return None
        return {
            job.findtext("JB_job_number", ""): (
                job.findtext("JB_name", ""),
                job.findtext("state", ""),
            )
            for job in tree.iter("job_list")
        }

    def _qacct(self, job: str) -> JobState:
        answer = self._ask(["qacct", "-j", job])
        return NOT_LISTED if answer.code else accounted(answer.out)


def job_state(letters: str) -> JobState:
    """Return the state for Grid Engine's letters, such as ``qw``, ``hqw``, ``Eqw``, ``dr``."""
    if "E" in letters:
        return JobState(State.FAILED, letters)
    if set(letters) & set("rtRsST"):
        return JobState(State.RUNNING, letters)
    if set(letters) & set("qwh"):
        return JobState(State.PENDING, letters)
    return JobState(State.UNKNOWN, letters)


def accounted(text: str) -> JobState:
    """Return the state for what ``qacct`` says of the last job of an id."""
    fields = dict(re.findall(r"^(\w+)[ \t]+(\S.*?)[ \t]*$", text, re.MULTILINE))
    failed = re.match(r"\d+", fields.get("failed", ""))
    exit_status = re.match(r"-?\d+", fields.get("exit_status", ""))
    if not failed or not exit_status:
        return NOT_LISTED
    code, status = int(failed[0]), int(exit_status[0])
    reason = f"failed {fields['failed']}, exit status {fields['exit_status']}"
    if code == LIMIT_EXCEEDED:
        state = State.TIMEOUT if _ran_out_of_time(fields) else State.OUT_OF_MEMORY
    elif code == AFTER_JOB or (code == 0 and status > 128):
        state = State.CANCELLED
    elif code:
        state = State.NODE_FAIL
    else:
        state = State.FAILED if status else State.DONE
    return JobState(state, reason)


def _ran_out_of_time(fields: dict[str, str]) -> bool:
    """Whether a job that broke a limit had used up its time, and not its memory."""
    asked = re.search(r"h_rt=(\d+)", fields.get("category", ""))
    used = re.match(r"[\d.]+", fields.get("ru_wallclock", ""))
    return not asked or not used or float(used[0]) >= float(asked[1]) - 1
