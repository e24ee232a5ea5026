"""A script that maps, to be killed: ``python driver.py SETTINGS``."""

import functools
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import instrumented

import zn_pipeline as zn
from zn_pipeline.items.detached import DetachedBackend
from zn_pipeline.queues import jobs
from zn_pipeline.queues.jobfolder import SUBMITTED, JobFolder
from zn_pipeline.queues.pools import Pool
from zn_pipeline.queues.watch import Patience

PATIENCE = functools.partial(
    Patience, grace_seconds=15, stale_seconds=5, settle_seconds=1, heartbeat_seconds=1
)


def die_before_bookkeeping(dies: int) -> None:
    """End by SIGKILL after the queue has taken a job and before that is written down."""
    write = JobFolder.write
    count = iter(range(dies))

    def dying(self: JobFolder, file: str, **record: Any) -> None:
        if file == SUBMITTED and next(count) == dies - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        write(self, file, **record)

    JobFolder.write = dying  # type: ignore[method-assign]


def run(where: Any, settings: dict[str, Any]) -> None:
    """Map, and say what became of it."""
    function = getattr(instrumented, settings["function"])
    results = zn.map(
        function, settings["items"], store=settings["store"], where=where, on_error="record",
        seed=settings.get("seed"), batch=settings.get("batch"), progress=False,
    )  # fmt: skip
    report = results.report
    failures = [failure.to_json() for failure in results.failures]
    print(json.dumps({"ok": report.n_ok, "cached": report.n_cached, "failures": failures}))


def main() -> None:
    """Map in the place that the settings name."""
    settings = json.loads(Path(sys.argv[1]).read_text())
    where = settings["where"]
    if settings.get("dies"):
        die_before_bookkeeping(settings["dies"])
    if isinstance(where, dict) and "dask" in where:
        from distributed import Client, LocalCluster

        quiet = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
        options = {"host": "127.0.0.1", "scheduler_kwargs": quiet, "threads_per_worker": 1}
        with LocalCluster(n_workers=where["dask"], **options) as cluster, Client(cluster) as client:
            run(client, settings)
    elif isinstance(where, dict):
        jobs.Patience = PATIENCE  # type: ignore[misc]
        run(DetachedBackend(Pool(**where)), settings)
    else:
        run(where, settings)


if __name__ == "__main__":
    main()
