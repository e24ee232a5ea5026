"""Nodes on the workers of a Dask cluster that a pool starts: batch jobs, or this machine."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zn_pipeline.execute.worker import mark_failed, read_record, run_task
from zn_pipeline.queues.pools import Pool
from zn_pipeline.records import StageResult, Task


class ClusterExecutor:
    """Runs each node as a task of a Dask cluster, whose workers see the project's folder.

    Parameters
    ----------
    pool : of mode ``"dask"``
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._held = contextlib.ExitStack()
        self._client: Any = None
        self._tmp = ""
        self._tasks: dict[Any, Task] = {}

    def start(self, root: str, tmp: str) -> None:
        """Start the cluster."""
        from distributed import Client

        from zn_pipeline.queues.dask_cluster import cluster_for

        del root
        self._tmp = tmp
        cluster = self._held.enter_context(cluster_for(self._pool, folder=Path(tmp) / "dask"))
        self._client = self._held.enter_context(Client(cluster, set_as_default=False))

    def submit(self, task: Task) -> None:
        """Hand a task to the cluster."""
        key = f"zn-node-{task.name}-{task.key}-{time.time_ns()}"
        future = self._client.submit(run_node, task, key=key, pure=False)
        self._tasks[future] = task

    def wait(self, timeout_seconds: float) -> Sequence[StageResult]:
        """Return results as they come."""
        from distributed import wait

        if not self._tasks:
            return []
        futures = list(self._tasks)
        try:
            with self._client.as_current():
                answer: Any = wait(futures, timeout=timeout_seconds, return_when="FIRST_COMPLETED")
        except TimeoutError:
            return []
        return [self._result(future, self._tasks.pop(future)) for future in answer.done]

    def _result(self, future: Any, task: Task) -> StageResult:
        try:
            result: StageResult = future.result()
        except Exception as error:  # noqa: BLE001 - of the cluster; the node's own are results
            found = read_record(self._tmp, task)
            if found is not None:
                return found
            result = StageResult(
                task.name, task.key, error=f"WorkerDied: {type(error).__name__}: {error}"
            )
            mark_failed(task, f"{result.error}\n")
        return result

    def running(self) -> Sequence[str]:
        """Return the nodes that were handed over and have not ended."""
        return [task.name for task in self._tasks.values()]

    def has_workers(self) -> bool:
        """Workers end with the run."""
        return False

    def stop(self) -> None:
        """End the cluster."""
        for future in list(self._tasks):
            with contextlib.suppress(Exception):
                future.cancel()
        self._tasks.clear()
        self._held.close()
        self._client = None


def run_node(task: Task) -> StageResult:
    """Run a node in a worker of the cluster, unless an earlier worker had finished it."""
    found = read_record(task.tmp, task)
    if found is not None and found.key == task.key and found.error is None:
        return found
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    return run_task(task)
