"""SLURM: ``sbatch``, ``squeue``, ``scontrol``, ``sacct``, ``scancel``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

from zn_pipeline.queues.job import early_warning_seconds
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

STATES = {
    **dict.fromkeys(
        ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD"),
        State.PENDING,
    ),
    **dict.fromkeys(
        ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"),
        State.RUNNING,
    ),
    "COMPLETED": State.DONE,
    **dict.fromkeys(("FAILED", "SPECIAL_EXIT"), State.FAILED),
    **dict.fromkeys(("TIMEOUT", "DEADLINE"), State.TIMEOUT),
    **dict.fromkeys(("NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED"), State.NODE_FAIL),
    "OUT_OF_MEMORY": State.OUT_OF_MEMORY,
    "CANCELLED": State.CANCELLED,
}
LIVE = "PENDING,CONFIGURING,RUNNING,SUSPENDED,STOPPED,REQUEUED,REQUEUE_HOLD,SIGNALING,STAGE_OUT"
# The controller may answer the next time; everything else is a refusal.
PASSING = re.compile(
    r"unable to contact|timed out|connection (refused|reset|failure)|communication"
    r"|zero bytes|temporarily|try again|not responding|MaxSubmitJob|MaxJobCount|did not end within"
    r"|job queue limit|munge|backup mode|transport",
    re.IGNORECASE,
)
GONE = "Invalid job id"
# SLURM sends signals up to a minute early, which short jobs cannot spare.
SIGNAL_FROM_SECONDS = 600


class Slurm(Scheduler):
    """The queue SLURM."""

    prefix: ClassVar[str] = "#SBATCH"

    def options(self, name: str, resources: Resources) -> list[str]:
        """Return the options of a job script."""
        pool, minutes = self.pool, resources.walltime_minutes
        options = [
            f"--job-name={name}",
            "--output=/dev/null",
            "--no-requeue",
            "--nodes=1",
            "--ntasks=1",
            f"--cpus-per-task={resources.cpus}",
        ]
        if pool.partition or pool.queue:
            options.append(f"--partition={pool.partition or pool.queue}")
        if pool.account:
            options.append(f"--account={pool.account}")
        if resources.memory_gib is not None:
            options.append(f"--mem={mebibytes(resources.memory_gib)}M")
        if resources.gpus:
            options.append(f"--gres=gpu:{resources.gpus}")
        if minutes is not None:
            options.append(f"--time={clock(minutes)}")
            if minutes * 60 >= SIGNAL_FROM_SECONDS:
                options.append(f"--signal=B:TERM@{early_warning_seconds(minutes * 60):.0f}")
        return options

    def submit(self, name: str, folder: str) -> str:
        """Submit the script in a job's folder."""
        # A driver that is a SLURM job itself must not hand its own job's settings on.
        inherited = [
            f"--unset={key}"
            for key in os.environ
            if key.startswith("SLURM_") and key != "SLURM_CONF"
        ]
        command = ["env", *inherited, "sbatch", "--parsable", f"--chdir={folder}"]
        answer = self._ask([*command, f"{folder}/{SCRIPT}"], again=False)
        found = re.search(r"^(\d+)(;\S+)?\s*$", answer.out, re.MULTILINE)
        if answer.code == 0 and found:
            return found[1]
        said = answer.err.strip() or answer.out.strip()
        if answer.code == 0 or answer.code >= 124 or PASSING.search(said) or not said:
            raise QueueError(f"sbatch must print a job id, received {said!r}")
        raise RefusedError(f"SLURM must accept the job {name}, received: {said}")

    def states(self, ids: Sequence[str]) -> dict[str, JobState]:
        """Ask ``squeue`` for all jobs, then ``scontrol`` and ``sacct`` for those that are gone."""
        states: dict[str, JobState] = {}
        for group in in_groups(ids):
            listed = self._squeue(group)
            if listed is None:
                states.update(dict.fromkeys(group, NO_ANSWER))
                continue
            for job in group:
                if job not in listed:
                    listed[job] = self._scontrol(job)
            gone = [job for job in group if listed[job].state == State.UNKNOWN]
            listed.update(self._sacct(gone))
            states.update(listed)
        return states

    def find(self, name: str) -> list[str]:
        """Return the ids of waiting or running jobs of a name."""
        command = ["squeue", "--me", "--noheader", f"--name={name}", f"--states={LIVE}"]
        answer = self._ask([*command, "--format=%i|%j"])
        if answer.code:
            raise QueueError(f"squeue must answer, received: {answer.err.strip()}")
        rows = [line.strip().split("|", 1) for line in answer.out.splitlines()]
        return [row[0] for row in rows if len(row) == 2 and row[1] == name]

    def cancel(self, ids: Sequence[str]) -> None:
        """Cancel jobs."""
        for group in in_groups(ids):
            answer = self._ask(["scancel", *group])
            if answer.code and GONE not in answer.err:
                raise QueueError(f"scancel must answer, received: {answer.err.strip()}")

    def _squeue(self, ids: Sequence[str]) -> dict[str, JobState] | None:
        command = ["squeue", "--me", "--noheader", "--states=all", f"--jobs={','.join(ids)}"]
        answer = self._ask([*command, "--format=%i|%T|%r"])
        if answer.code:
            return {} if GONE in answer.err else None
        return _rows(line.split("|") for line in answer.out.splitlines())

    def _scontrol(self, job: str) -> JobState:
        answer = self._ask(["scontrol", "show", "job", "--oneliner", job])
        found = re.search(r"\bJobState=(\S+)(?: Reason=(\S+))?", answer.out)
        if answer.code == 0 and found:
            return _state(found[1], found[2] or "")
        return NOT_LISTED if GONE in answer.err or answer.code == 0 else NO_ANSWER

    def _sacct(self, ids: Sequence[str]) -> dict[str, JobState]:
        """Return what the accounting knows, where there is one."""
        if not ids:
            return {}
        command = ["sacct", "-n", "-P", "-X", f"--jobs={','.join(ids)}", "-o", "JobIDRaw,State"]
        answer = self._ask(command)
        if answer.code:
            return {}
        return _rows([*line.split("|"), "sacct"] for line in answer.out.splitlines())


def _rows(rows: Iterable[Sequence[str]]) -> dict[str, JobState]:
    """Return the states of rows of id, state and reason."""
    return {row[0].strip(): _state(row[1], row[2]) for row in rows if len(row) == 3}


def _state(word: str, reason: str) -> JobState:
    """Return the state for SLURM's word, such as ``CANCELLED by 1000``."""
    name = word.strip().split(" ")[0].rstrip("+")
    reason = f"{name} {reason}" if reason not in ("", "None") else name
    return JobState(STATES.get(name, State.UNKNOWN), reason)
