"""Entry point of a Dask worker process: ``python -P -m zn_pipeline.execute.dask_worker``.

The process lives exactly as long as the driver: it holds the reading end of a pipe, and when the
driver closes it or dies, the worker and all processes that its nodes have started end at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from zn_pipeline.store.locks import hold_worker_lock


def end_worker(pid: int) -> None:
    """End a worker and all processes that its nodes have started, in whatever session they are."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _end_with_driver() -> None:
    while sys.stdin.buffer.read(1):
        pass
    end_worker(os.getpid())


async def _serve(address: str, name: str, local: str) -> None:
    from distributed import Worker

    worker = Worker(
        address,
        nthreads=1,
        name=name,
        dashboard=False,
        memory_limit=0,
        local_directory=local,
        host="127.0.0.1",
    )
    async with worker:
        await worker.finished()


def main() -> None:
    """Serve tasks of the scheduler at ``argv[1]`` until the driver ends."""
    import asyncio

    address, name, tmp = sys.argv[1:4]
    lock = hold_worker_lock(Path(tmp))
    threading.Thread(target=_end_with_driver, daemon=True).start()
    asyncio.run(_serve(address, name, str(Path(tmp) / "dask")))
    lock.close()


if __name__ == "__main__":
    main()
