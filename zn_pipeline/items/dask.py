"""Chunks of items on the workers of a Dask cluster, which share the folder of the store.

Results are in a segment before a task returns, and a task that Dask runs a second time, because
its worker was lost or sent home, finds there what the first had finished.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zn_pipeline.items.backends import ChunkSize, WorkQueue
from zn_pipeline.items.call import Call, digest_of, loaded
from zn_pipeline.items.records import Done, FailureKind, Lost, Work
from zn_pipeline.items.runner import run_chunk
from zn_pipeline.items.segment import SegmentWriter, scan
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.values import decode, encode

NOTES = "chunks"
"""Folder in the store: which segments the unfinished chunks write to."""

Packed = tuple[bytes, bytes, bytes, "int | None", int, int, int]


class DaskBackend:
    """Computes items on a Dask cluster.

    Parameters
    ----------
    where : a client, or a pool whose cluster is started for the map and ended with it
    batch : size of a chunk; None to measure
    """

    def __init__(self, where: Any, batch: int | None = None) -> None:
        self._where = where
        self._batch = batch

    def run(self, call: Call, queue: WorkQueue, store: ItemStore) -> Iterator[list[Done] | Lost]:
        """Yield what became of the works; see :class:`zn_pipeline.items.backends.Backend`."""
        if hasattr(self._where, "scheduler_info"):
            yield from self._run(self._where, call, queue, store)
            return
        from distributed import Client

        from zn_pipeline.queues.dask_cluster import cluster_for

        logs = store.folder / "dask"
        with (
            cluster_for(self._where, folder=logs) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield from self._run(client, call, queue, store, self._where.workers)

    def _run(
        self, client: Any, call: Call, queue: WorkQueue, store: ItemStore, most: int = 1
    ) -> Iterator[list[Done] | Lost]:
        payload = call.dump(by_value=True)
        digest = digest_of(payload)
        if len(payload) > 100_000:
            payload = client.scatter(payload, broadcast=True)
        size: ChunkSize | None = None
        futures: dict[Any, _Sent] = {}
        let_go: list[str] = []
        try:
            while True:
                threads = max(most, sum(client.nthreads().values()))
                size = size or ChunkSize(self._batch, threads)
                # Twice as many as there are threads: each finds its next chunk at hand.
                while len(futures) < 2 * threads and (work := queue.take(size.next(len(queue)))):
                    keys = tuple(entry.key for entry in work)
                    sent, let_go = _Sent(secrets.token_hex(8), keys, let_go), []
                    future = client.submit(
                        compute_chunk,
                        payload,
                        digest,
                        str(store.folder),
                        sent.name,
                        [_pack(entry) for entry in work],
                        pure=False,
                        key=f"zn-items-{sent.name}",
                    )
                    futures[future] = sent
                if not futures:
                    return
                for future in _finished(client, list(futures)):
                    sent = futures.pop(future)
                    result = _result(future, sent, size)
                    # Else Dask would compute the chunk again if it lost the worker that has it.
                    future.release()
                    yield result
                    if not isinstance(result, Lost):
                        told = {entry.origin for entry in result}
                        left = tuple(key for key in sent.keys if key not in told)
                        if left:
                            yield Lost(left, "infrastructure", "not in its report", blame=False)
                    _remove_notes(store, sent.before)
                    let_go.append(sent.name)
        finally:
            for future, sent in futures.items():
                let_go.extend(sent.before)
                with contextlib.suppress(Exception):
                    future.cancel()
            _remove_notes(store, let_go)


@dataclasses.dataclass(frozen=True)
class _Sent:
    """A chunk that is on its way.

    Attributes
    ----------
    name : of its note
    keys : of its items
    before : chunks that were let go before this one was sent; when this one is done, the scheduler
        knows so and never gives them to another worker, which would need their notes
    """

    name: str
    keys: tuple[bytes, ...]
    before: list[str]


def _remove_notes(store: ItemStore, names: list[str]) -> None:
    for name in names:
        (store.folder / NOTES / name).unlink(missing_ok=True)


def _pack(work: Work) -> Packed:
    item = encode(work.item)
    return (work.key, work.structure, item, work.seed, work.variant, work.step, work.attempts)


def _finished(client: Any, futures: list[Any]) -> list[Any]:
    from distributed import wait

    with client.as_current():
        answer: Any = wait(futures, return_when="FIRST_COMPLETED")
    return list(answer.done)


def _result(future: Any, sent: _Sent, size: ChunkSize) -> list[Done] | Lost:
    from distributed import KilledWorker

    try:
        seconds, done = future.result()
    except KilledWorker as error:
        return Lost(sent.keys, "killed", f"workers were lost on it: {error}")
    except Exception as error:  # noqa: BLE001 - of the cluster; functions' own are records
        kind: FailureKind = "infrastructure"
        return Lost(sent.keys, kind, f"{type(error).__name__}: {error}")
    size.add(seconds, len(done))
    return done


def compute_chunk(
    payload: bytes, digest: str, folder: str, name: str, packed: list[Packed]
) -> tuple[float, list[Done]]:
    """Compute a chunk in a worker of the cluster; return the seconds and what was done."""
    begin = time.monotonic()
    call = _prepared(payload, digest, folder, os.getpid())
    store = Path(folder)
    note = store / NOTES / name
    before = _done_before(store, note)
    writer = _NotedWriter(_writer(folder, os.getpid(), threading.get_ident()), note)
    work = [
        Work(key, structure, decode(item), seed, variant, step, attempts)
        for key, structure, item, seed, variant, step, attempts in packed
        if key not in before
    ]
    done = run_chunk(call, work, writer, scratch=store / "scratch", go_on=_staying())
    return time.monotonic() - begin, done


def _staying() -> Callable[[], bool]:
    """Return what tells whether this worker is not being sent home.

    If it is, another worker has been given the chunk, and goes on with the next item.
    """
    from distributed import Status, get_worker

    worker = get_worker()
    return lambda: worker.status in (Status.running, Status.paused)


@functools.lru_cache(maxsize=8)
def _prepared(payload: bytes, digest: str, folder: str, _pid: int) -> Call:
    return loaded(payload, digest).prepare(Path(folder) / "scratch")


@functools.lru_cache(maxsize=64)
def _writer(folder: str, _pid: int, _thread: int) -> SegmentWriter:
    return ItemStore(Path(folder)).writer()


class _NotedWriter:
    """Notes where the first record of a chunk lies, for a worker that takes the chunk over."""

    def __init__(self, writer: SegmentWriter, note: Path) -> None:
        self._writer = writer
        self._note = note
        self._segments: set[str] = set()

    def append(self, record: Any) -> Any:
        place = self._writer.append(record)
        if place.segment not in self._segments:
            self._segments.add(place.segment)
            self._note.parent.mkdir(parents=True, exist_ok=True)
            with self._note.open("a", encoding="utf-8") as file:
                file.write(f"{place.segment}\t{place.offset}\n")
        return place


def _done_before(store: Path, note: Path) -> set[bytes]:
    """Return the keys that have a result from an earlier worker."""
    try:
        lines = note.read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    found: set[bytes] = set()
    for line in lines:
        segment, _, offset = line.partition("\t")
        with contextlib.suppress(OSError):
            frames = scan(store / "segments" / segment, int(offset)).frames
            found.update(frame.key for frame in frames)
    return found
