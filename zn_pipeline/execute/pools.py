"""Which executor a node goes to: that of the pool that it is assigned to."""

from __future__ import annotations

import time
from collections.abc import Sequence

from zn_pipeline.execute.dask import DaskExecutor
from zn_pipeline.execute.dask_pool import ClusterExecutor
from zn_pipeline.execute.detached import DetachedExecutor
from zn_pipeline.execute.protocol import Executor
from zn_pipeline.queues.pools import Pool, Pools
from zn_pipeline.records import StageResult, Task

SHORT_WAIT_SECONDS = 0.02


class PoolExecutor:
    """Sends each node to its pool: by the patterns of ``pools.toml``, else to the given one.

    Parameters
    ----------
    pools : of the project
    default : pool of the nodes that no pattern names; None for worker processes of this machine
    n_workers : number of those
    """

    def __init__(
        self, pools: Pools, default: Pool | None = None, n_workers: int | None = None
    ) -> None:
        self._pools = pools
        self._default = default
        self._n_workers = n_workers
        self._executors: dict[str, Executor] = {}
        self._where = ("", "")

    def start(self, root: str, tmp: str) -> None:
        """Note where the project lies; executors start with their first node."""
        self._where = root, tmp

    def submit(self, task: Task) -> None:
        """Hand a task to the executor of its pool."""
        pool = self._pools.assigned(task.name) or self._default
        name = "" if pool is None else pool.name
        if name not in self._executors:
            executor = executor_of(pool, self._n_workers)
            executor.start(*self._where)
            self._executors[name] = executor
        self._executors[name].submit(task)

    def wait(self, timeout_seconds: float) -> Sequence[StageResult]:
        """Return results of all executors as they come."""
        executors = list(self._executors.values())
        if len(executors) == 1:
            return executors[0].wait(timeout_seconds)
        end = time.monotonic() + timeout_seconds
        results: list[StageResult] = []
        while not results and time.monotonic() < end:
            for executor in executors:
                results.extend(executor.wait(SHORT_WAIT_SECONDS))
        return results

    def running(self) -> Sequence[str]:
        """Return what runs anywhere."""
        return [name for executor in self._executors.values() for name in executor.running()]

    def has_workers(self) -> bool:
        """Executors live as long as the run."""
        return False

    def stop(self) -> None:
        """Stop all executors; detached jobs go on."""
        for executor in self._executors.values():
            executor.stop()
        self._executors.clear()


def executor_of(pool: Pool | None, n_workers: int | None = None) -> Executor:
    """Return the executor of a pool; without one, worker processes of this machine."""
    if pool is None:
        return DaskExecutor(n_workers)
    if pool.mode == "detached":
        return DetachedExecutor(pool)
    if pool.mode == "dask":
        return ClusterExecutor(pool)
    return DaskExecutor(n_workers or pool.workers)
