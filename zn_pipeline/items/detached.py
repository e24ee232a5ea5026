"""Items as batch jobs that need no driver: submitted, left alone, picked up later.

The folder of a job is named by what it computes, so a driver that comes back finds the jobs of the
one before it and waits for them instead of submitting its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from zn_pipeline.errors import PipelineError, QueueError
from zn_pipeline.items.backends import WorkQueue
from zn_pipeline.items.bundle import BEGUN, SEGMENTS, read_keys, write_bundle
from zn_pipeline.items.call import Call
from zn_pipeline.items.records import Done, FailureKind, Lost, Work
from zn_pipeline.items.store import ItemStore
from zn_pipeline.queues.job import STDERR
from zn_pipeline.queues.jobfolder import JobStatus
from zn_pipeline.queues.jobs import PYTHON, Jobs
from zn_pipeline.queues.pools import Pool

FOLDER = "jobs"
MAX_STILLBORN = 3
"""After so many jobs in a row that did not begin, no more are submitted."""


class DetachedBackend:
    """Computes items as batch jobs of a pool.

    Parameters
    ----------
    pool : says which scheduler, where, and with what resources
    batch : items in a job; None takes what the pool says
    wait : False returns once all is submitted
    """

    def __init__(self, pool: Pool, batch: int | None = None, *, wait: bool = True) -> None:
        self._pool = pool
        self._size = batch or pool.items_per_job
        self.waits = wait
        self._stillborn = 0

    def run(self, call: Call, queue: WorkQueue, store: ItemStore) -> Iterator[list[Done] | Lost]:
        """Yield what became of the works; see :class:`zn_pipeline.items.backends.Backend`."""
        folder = store.folder / FOLDER / self._pool.name
        with Jobs(self._pool, folder) as jobs:
            live = self._adopt(jobs, folder, queue)
            while True:
                while len(queue):
                    self._submit(call, queue, store, jobs, live)
                if not live or not self.waits:
                    return
                statuses = jobs.poll(live)
                ended = [name for name in live if statuses[name].ended or is_gone(statuses[name])]
                for name in ended:
                    keys = live.pop(name)
                    if is_gone(statuses[name]):
                        yield Lost(keys, "infrastructure", "another driver has it", blame=False)
                        continue
                    self._collect(jobs, folder / name, store)
                    yield self._lost(keys, statuses[name], folder / name)
                    jobs.forget(name)
                if not ended:
                    yield []
                    time.sleep(self._pool.poll_seconds)

    def _adopt(self, jobs: Jobs, folder: Path, queue: WorkQueue) -> dict[str, tuple[bytes, ...]]:
        """Take over the jobs of an earlier driver that have some of the works."""
        live: dict[str, tuple[bytes, ...]] = {}
        for name in jobs.names():
            keys = queue.claim(read_keys(folder / name))
            if keys:
                live[name] = keys
        return live

    def _submit(
        self,
        call: Call,
        queue: WorkQueue,
        store: ItemStore,
        jobs: Jobs,
        live: dict[str, tuple[bytes, ...]],
    ) -> None:
        size = self._size or max(1, -(-len(queue) // self._pool.workers))
        work = queue.take(size)
        name = job_name(call, work)
        remote = self._pool.ssh is not None
        payload = call.dump(by_value=True)

        def prepare(place: Path) -> None:
            write_bundle(
                place,
                payload,
                work,
                store=None if remote else store.folder.resolve(),
                scratch="../scratch" if remote else str(store.folder.resolve() / "scratch"),
            )

        attempts = max(entry.attempts for entry in work)
        jobs.launch(
            name,
            prepare,
            [PYTHON, "-m", "zn_pipeline.items.bundle", "."],
            self._pool.demand(attempt=attempts + 1),
        )
        live[name] = tuple(entry.key for entry in work)

    def _collect(self, jobs: Jobs, folder: Path, store: ItemStore) -> None:
        """Take the results of a job on another machine into the store."""
        if self._pool.ssh is None:
            return
        with contextlib.suppress(PipelineError):  # what is not here is computed again
            jobs.fetch(folder.name)
        for segment in sorted((folder / SEGMENTS).glob("*.seg")):
            store.adopt(segment)

    def _lost(self, keys: tuple[bytes, ...], status: JobStatus, folder: Path) -> Lost:
        """Return the works of a job that has ended; the map finds out which have a result.

        Raises
        ------
        QueueError
            If jobs do not even begin, which the next one would not do either.
        """
        begun, code = (folder / BEGUN).exists(), status.exit_code or 0
        message = status.message or f"the job ended with exit code {code}"
        self._stillborn = 0 if begun else self._stillborn + 1
        failed = status.phase == "done" and code > 0
        if not begun and (failed or self._stillborn >= MAX_STILLBORN):
            raise QueueError(
                f"the job in {folder} must be able to begin, but it is not: {message}; "
                f"{_tail(folder / STDERR)}; correct the pool's python, setup or environment"
            )
        kind: FailureKind = status.loss or (
            "timeout" if status.stopped == "timeout" else "killed" if code else "infrastructure"
        )
        blame = begun and (status.phase == "lost" or code != 0)
        host, job = status.host or "", status.job_id or ""
        return Lost(keys, kind, message, blame=blame, host=host, job=job)


def is_gone(status: JobStatus) -> bool:
    """Whether another driver has taken up what a job left, and removed its folder."""
    return status.attempt == 0


def job_name(call: Call, work: Sequence[Work]) -> str:
    """Return the name of the job for some works: the same for the same works and attempts."""
    digest = hashlib.blake2b(digest_size=8, person=b"zn.job")
    for entry in work:
        digest.update(entry.key)
        digest.update(entry.attempts.to_bytes(4, "little"))
    return f"zn-{digest.hexdigest()}"


def _tail(log: Path) -> str:
    """Return the last line of a log."""
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "no message")
    return "no message"
