"""Processes of this machine that compute chunks of items.

A worker is a fork where that is safe, which costs milliseconds and lets it have any function;
else, once threads or JAX are about, a fresh interpreter. It talks to the driver through a socket
pair and ends with it, after the item that it is computing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Any

from zn_pipeline.errors import QueueError
from zn_pipeline.items.backends import ChunkSize, WorkQueue
from zn_pipeline.items.call import Call, digest_of, loaded
from zn_pipeline.items.leases import THREAD
from zn_pipeline.items.records import Done, FailureKind, Lost, Work
from zn_pipeline.items.runner import run_chunk
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.values import decode, encode


class ProcessBackend:
    """Computes items in processes of this machine.

    Parameters
    ----------
    workers : number of processes
    batch : size of a chunk; None to measure
    environments : variables for each worker, in turn; with them workers are fresh interpreters
    """

    def __init__(
        self,
        workers: int,
        batch: int | None = None,
        environments: tuple[Mapping[str, str], ...] = (),
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, received {workers}")
        self._count = workers
        self._batch = batch
        self._environments = environments

    def run(self, call: Call, queue: WorkQueue, store: ItemStore) -> Iterator[list[Done] | Lost]:
        """Yield what became of the works; see :class:`zn_pipeline.items.backends.Backend`."""
        size = ChunkSize(self._batch, self._count)
        payload: list[bytes] = []
        workers: list[_Worker] = []
        try:
            while True:
                for _ in range(min(self._count - len(workers), len(queue))):
                    workers.append(self._start(call, queue, store, payload, workers))
                for worker in workers:
                    if not worker.keys and len(queue):
                        take = queue.take if worker.process else queue.take_bare
                        worker.send(take(size.next(len(queue))))
                busy = {worker.channel: worker for worker in workers if worker.keys}
                if not busy:
                    return
                for channel in connection.wait(list(busy)):
                    worker = busy[channel]  # type: ignore[index]
                    result = worker.receive()
                    if isinstance(result, Lost):
                        workers.remove(worker)
                    elif result:
                        size.add(time.monotonic() - worker.since, len(result))
                    yield result
        finally:
            for worker in workers:
                worker.end()

    def _start(
        self,
        call: Call,
        queue: WorkQueue,
        store: ItemStore,
        payload: list[bytes],
        others: list[_Worker],
    ) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            if not self._environments and _may_fork():
                # A line ends when the driver does only if no other worker holds its end.
                lines = [ours, *(other.channel for other in others)]
                pid = _fork(call, queue, store, theirs, lines)
                return _Worker(connection.Connection(ours.detach()), pid)
            if not payload:
                payload.append(call.dump())
            variables: Mapping[str, str] = {}
            if self._environments:
                variables = self._environments[len(others) % len(self._environments)]
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "zn_pipeline.items.local", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **variables},
                start_new_session=True,
            )
            worker = _Worker(connection.Connection(ours.detach()), process.pid, process)
        worker.channel.send((payload[0], digest_of(payload[0]), str(store.folder)))
        return worker


@dataclasses.dataclass(eq=False)
class _Worker:
    """One process, and the works that it has."""

    channel: connection.Connection
    pid: int
    process: subprocess.Popen[bytes] | None = None
    keys: tuple[bytes, ...] = ()
    since: float = 0.0
    started: bool = False

    def send(self, work: list[Work]) -> None:
        self.keys, self.since = tuple(entry.key for entry in work), time.monotonic()
        packed = [
            (
                (w.key, w.structure, None if w.item is None else encode(w.item)),
                (w.seed, w.variant, w.step, w.attempts, w.row),
            )
            for w in work
        ]
        with contextlib.suppress(OSError):  # a worker that died is noticed when it is heard
            self.channel.send(packed)

    def receive(self) -> list[Done] | Lost:
        """Return what was done, nothing if the worker has only just begun, or what was lost.

        Raises
        ------
        QueueError
            If the worker could not begin at all, which the next could not either.
        """
        try:
            answer: list[Done] | None = self.channel.recv()
        except (EOFError, OSError):
            return self._lost()
        self.started = True
        if answer is None:  # it has just begun
            return []
        self.keys = ()
        return answer

    def _lost(self) -> Lost:
        code = self._wait()
        if not self.started and code > 0:
            raise QueueError(
                "worker processes must be able to import what the map calls, received exit code "
                f"{code} and the message above; put it into a module that can be imported"
            )
        kind: FailureKind = "killed" if code < 0 else "infrastructure"
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return Lost(self.keys, kind, f"the worker process ended {how}")

    def _wait(self) -> int:
        if self.process is not None:
            return self.process.wait()
        with contextlib.suppress(ChildProcessError):
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return -signal.SIGKILL

    def end(self) -> None:
        """Close the line, on which the worker ends; if it is computing, do not wait for it."""
        self.channel.close()
        if self.keys:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        self._wait()


def _may_fork() -> bool:
    """Whether a fork is safe: no threads but ours, and none that C libraries may have started."""
    strangers = {thread.name for thread in threading.enumerate()} - {"MainThread", THREAD}
    return not strangers and not {"jax", "jaxlib", "torch", "tensorflow"} & sys.modules.keys()


def _fork(
    call: Call, queue: WorkQueue, store: ItemStore, theirs: socket.socket, others: Sequence[Any]
) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the thread that renews leases
        pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for other in others:
            other.close()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.freeze()  # what is inherited is not looked through again, and stays shared
        channel = connection.Connection(theirs.detach())
        serve(channel, call, ItemStore(store.folder), parent, queue.fill)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve(
    channel: Any,
    call: Call,
    store: ItemStore,
    parent: int,
    fill: Callable[[list[Work]], list[Work]] = list,
) -> None:
    """Compute chunks until the driver closes the line, or is gone.

    Parameters
    ----------
    fill : gives works their items, if they come without
    """
    scratch = store.folder / "scratch"
    prepared = call.prepare(scratch)
    try:
        while True:
            try:
                packed = channel.recv()
            except (EOFError, OSError):
                return
            work = [
                Work(key, structure, None if item is None else decode(item), *rest)
                for (key, structure, item), rest in packed
            ]
            done = run_chunk(
                prepared,
                fill(work),
                store.writer(),
                scratch=scratch,
                go_on=lambda: os.getppid() == parent,
            )
            try:
                channel.send(done)
            except OSError:
                return
    finally:
        store.close()


def main() -> None:
    """Serve as a fresh interpreter; the line to the driver is a file descriptor."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = connection.Connection(int(sys.argv[1]))
    payload, digest, folder = channel.recv()
    call = loaded(payload, digest)
    channel.send(None)
    serve(channel, call, ItemStore(Path(folder)), os.getppid())


if __name__ == "__main__":
    main()
