"""From the word that says where to compute to the backend that does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zn_pipeline.items.backends import Backend, SerialBackend, is_backend

if TYPE_CHECKING:
    from zn_pipeline.queues.pools import Pool


def backend_of(
    where: Any, *, label: str, batch: Any = None, processes: int = 1, wait: bool = True
) -> Backend:
    """Return the backend for `where`, see :func:`zn_pipeline.map`.

    Raises
    ------
    ValueError
        If there is no such pool.
    """
    size = batch if isinstance(batch, int) else None
    if hasattr(where, "scheduler_info"):  # a client of Dask, which has a method `run` as well
        from zn_pipeline.items.dask import DaskBackend  # noqa: PLC0415

        return DaskBackend(where, size)
    if is_backend(where):
        return where
    if isinstance(where, int) and not isinstance(where, bool):
        return _on_this_machine(where, size)
    from zn_pipeline.queues.pools import read_pools  # noqa: PLC0415

    pools = read_pools(Path.cwd())
    pool = pools.assigned(f"map:{label}") if where is None else pools.pool(str(where))
    return _on_this_machine(processes, size) if pool is None else _of_pool(pool, size, wait=wait)


def _on_this_machine(processes: int, size: int | None) -> Backend:
    if processes <= 1:
        return SerialBackend(size)
    from zn_pipeline.items.local import ProcessBackend  # noqa: PLC0415

    return ProcessBackend(processes, size)


def _of_pool(pool: Pool, size: int | None, *, wait: bool) -> Backend:
    if pool.mode == "detached":
        from zn_pipeline.items.detached import DetachedBackend  # noqa: PLC0415

        return DetachedBackend(pool, size, wait=wait)
    if pool.mode == "dask":
        from zn_pipeline.items.dask import DaskBackend  # noqa: PLC0415

        return DaskBackend(pool, size)
    from zn_pipeline.items.local import ProcessBackend  # noqa: PLC0415
    from zn_pipeline.queues.environment import worker_environment  # noqa: PLC0415

    slots = range(pool.workers)
    environments = [worker_environment(pool.resources, slot) | pool.environment for slot in slots]
    return ProcessBackend(pool.workers, size, tuple(environments))
