"""Queues: what a job script looks like there, and how to submit, ask, find and cancel."""

from __future__ import annotations

from zn_pipeline.queues.pools import Pool
from zn_pipeline.queues.schedulers.base import JobState as JobState
from zn_pipeline.queues.schedulers.base import QueueError as QueueError
from zn_pipeline.queues.schedulers.base import RefusedError as RefusedError
from zn_pipeline.queues.schedulers.base import Scheduler as Scheduler
from zn_pipeline.queues.schedulers.base import State as State
from zn_pipeline.queues.schedulers.local import LocalQueue
from zn_pipeline.queues.schedulers.pbs import Pbs
from zn_pipeline.queues.schedulers.sge import Sge
from zn_pipeline.queues.schedulers.slurm import Slurm
from zn_pipeline.queues.transport import Transport

SCHEDULERS: dict[str, type[Scheduler]] = {
    "local": LocalQueue,
    "pbs": Pbs,
    "sge": Sge,
    "slurm": Slurm,
}


def scheduler_for(pool: Pool, transport: Transport) -> Scheduler:
    """Return the queue of a pool."""
    return SCHEDULERS[pool.kind](pool, transport)
