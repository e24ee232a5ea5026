"""The queue of a machine without a queue: see ``spool``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from zn_pipeline.queues.schedulers.base import (
    NO_ANSWER,
    SCRIPT,
    JobState,
    QueueError,
    Scheduler,
    State,
)
from zn_pipeline.queues.schedulers.spool import Spool, command
from zn_pipeline.queues.transport import Local
from zn_pipeline.resources import Resources


class LocalQueue(Scheduler):
    """Detached processes of one machine, `workers` at once; they survive the driver."""

    limits_itself: ClassVar[bool] = True

    def options(self, name: str, resources: Resources) -> list[str]:
        """Return nothing: a script of this queue has no head."""
        del name, resources
        return []

    def submit(self, name: str, folder: str) -> str:
        """Queue the script in a job's folder."""
        return str(self._call("submit", name, f"{folder}/{SCRIPT}"))

    def states(self, ids: Sequence[str]) -> dict[str, JobState]:
        """Return the state of every job asked for."""
        try:
            said = self._call("states", *ids)
        except QueueError:
            return dict.fromkeys(ids, NO_ANSWER)
        return {
            job: JobState(State(found["state"]), found.get("reason", ""))
            for job, found in said.items()
        }

    def find(self, name: str) -> list[str]:
        """Return the ids of waiting or running jobs of a name."""
        return list(self._call("find", name))

    def cancel(self, ids: Sequence[str]) -> None:
        """Cancel jobs."""
        self._call("cancel", *ids)

    def _call(self, verb: str, *arguments: str) -> Any:
        """Speak to the queue: at once if it is here, else by its command line."""
        transport, limit = self.transport, self.pool.workers
        if isinstance(transport, Local):
            spool = Spool(Path(transport.root) / self._folder, limit)
            if verb in ("states", "cancel"):
                return getattr(spool, verb)(arguments)
            return getattr(spool, verb)(*arguments)
        variables = [f"{key}={text}" for key, text in self.pool.environment.items()]
        line = ["env", *variables]
        line += command(f"{transport.root}/{self._folder}", limit, self.pool.python)
        answer = self._ask([*line, verb, *arguments], again=verb != "submit")
        try:
            return json.loads(answer.out)
        except ValueError:
            raise QueueError(
                f"the queue of {self.pool.name} must answer, received: {answer.err.strip()}"
            ) from None

    @property
    def _folder(self) -> str:
        return f".queue-{self.pool.name}"
