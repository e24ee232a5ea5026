"""Nodes on a local Dask cluster of persistent processes.

The scheduler lives in the driver, bound to loopback. Workers are started as the graph needs them,
each runs one batch of nodes at a time, and a worker that dies costs only the node that it ran.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Any, Self

from zn_pipeline.errors import PipelineError
from zn_pipeline.execute.dask_worker import end_worker
from zn_pipeline.execute.devices import VISIBLE, Devices
from zn_pipeline.execute.worker import mark_failed, read_record, run_task
from zn_pipeline.records import StageResult, Task
from zn_pipeline.store.source import workspace

BATCH_SECONDS = 0.05
MAX_BATCH = 50
MAX_STILLBORN = 3


class NodeRunner:
    """Lives in a worker as a Dask actor.

    Its one call lasts as long as the worker: batches come and go through a connection on loopback,
    which is cheaper than a call for each.
    """

    def serve(self, address: tuple[str, int], key: bytes) -> None:
        """Run batches of tasks as the driver sends them, until it closes the connection."""
        with connection.Client(address, authkey=key) as channel:
            while True:
                try:
                    tasks: list[Task] = channel.recv()
                except EOFError:
                    return
                channel.send([run_task(task) for task in tasks])


@dataclasses.dataclass(slots=True)
class _Worker:
    """One worker process and the batch that it runs."""

    name: str
    process: subprocess.Popen[bytes]
    inbox: queue.SimpleQueue[list[Task] | None]
    tasks: list[Task] = dataclasses.field(default_factory=list[Task])
    since: float = 0.0
    slots: int = 0
    devices: tuple[str, ...] = ()
    ready: bool = False
    served: Any = None


class DaskExecutor:
    """Runs nodes in parallel on this machine.

    Parameters
    ----------
    n_workers : number of processes, and of CPU slots; the number of cores if not given
    walltime_minutes : longest time for nodes that demand none, None for no limit
    """

    def __init__(
        self, n_workers: int | None = None, *, walltime_minutes: float | None = None
    ) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self.n_workers = n_workers if n_workers is not None else cores or 1
        if self.n_workers < 1:
            raise ValueError(f"n_workers must be at least 1, received {n_workers}")
        self.walltime_minutes = walltime_minutes
        self._root = self._tmp = ""
        self._queue: deque[Task] = deque()
        self._workers: list[_Worker] = []
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._seconds: dict[str, float] = {}
        self._cluster: Any = None
        self._client: Any = None
        self._count = 0
        self._stillborn = 0
        self._kept = False
        self._codes: dict[str, str] = {}
        self._devices = Devices()

    def __enter__(self) -> Self:
        """Keep the workers from one run to the next, and with them what they have compiled."""
        self._kept = True
        return self

    def __exit__(self, *_: object) -> None:
        self._kept = False
        self.stop()

    def start(self, root: str, tmp: str) -> None:
        """Start the scheduler, unless it is kept from the run before; workers follow.

        A worker never runs a class from an old import: if the code of one that they may have
        imported has changed, all of them are started anew.
        """
        codes = _codes(root)
        known = {path: codes.get(path, code) for path, code in self._codes.items()}
        if self._client is not None and (root, tmp) == (self._root, self._tmp):
            if known == self._codes:
                self._codes = {**codes, **known}
                return
            self._end_all()
        self._root, self._tmp, self._codes = root, tmp, codes
        self._open()

    def _open(self) -> None:
        from dask import config
        from distributed import Client, LocalCluster

        settings = {
            "distributed.scheduler.allowed-failures": 0,
            "distributed.comm.timeouts.connect": "60s",
            "distributed.worker.daemon": False,
        }
        with config.set(settings):
            self._cluster = LocalCluster(
                n_workers=0,
                processes=True,
                host="127.0.0.1",
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            )
            self._client = Client(self._cluster, set_as_default=False)

    def submit(self, task: Task) -> None:
        """Queue a task; it is sent by the next :meth:`wait`."""
        self._queue.append(task)

    def wait(self, timeout_seconds: float) -> Sequence[StageResult]:
        """Send what there is room for, and return results as they come."""
        self._dispatch()
        results: list[StageResult] = []
        try:
            ended = self._ended.get(timeout=timeout_seconds)
        except queue.Empty:
            return self._reap()
        while True:
            results.extend(self._collect(ended))
            try:
                ended = self._ended.get_nowait()
            except queue.Empty:
                break
        self._dispatch()
        return results

    def running(self) -> Sequence[str]:
        """Return the nodes that run now: the first unfinished one of each worker's batch."""
        return [task.name for worker in self._workers if (task := self._current(worker))]

    def has_workers(self) -> bool:
        """Whether workers are kept from an earlier run."""
        return bool(self._workers)

    def stop(self) -> None:
        """End all workers at once, and the scheduler; idle ones stay if they are to be kept."""
        self._queue.clear()
        if not self._kept:
            self._end_all()
            return
        for worker in [worker for worker in self._workers if worker.tasks]:
            self._workers.remove(worker)
            self._devices.give_back(worker.devices)
            worker.inbox.put(None)
            _end(worker.process)

    def _end_all(self) -> None:
        for worker in self._workers:
            worker.inbox.put(None)
            worker.served = None
        if self._client is not None:
            self._client.close(timeout=5)
        for worker in self._workers:
            _end(worker.process)
        self._workers.clear()
        self._devices = Devices()
        if self._cluster is not None:
            self._cluster.close(timeout=5)
        self._client = self._cluster = None

    def _dispatch(self) -> None:
        while self._queue:
            free = self.n_workers - sum(w.slots for w in self._workers if w.tasks)
            demand = min(self._queue[0].cpus, self.n_workers)
            if free < demand:
                return
            devices = self._devices.take(self._queue[0].gpus)
            if devices is None:
                return
            worker = next((w for w in self._workers if not (w.tasks or devices)), None)
            self._send(worker or self._spawn(devices), self._next_batch(), demand)

    def _next_batch(self) -> list[Task]:
        """Return the next task, with more of its class if these are known to be short."""
        first = self._queue.popleft()
        batch = [first]
        seconds = self._seconds.get(first.kind)
        if seconds is None or first.cpus > 1 or first.gpus or first.walltime_minutes:
            return batch
        fair = -(-(len(self._queue) + 1) // (2 * self.n_workers))
        size = min(MAX_BATCH, fair, int(BATCH_SECONDS / max(seconds, 1e-4)))
        while len(batch) < size and self._queue and self._queue[0].kind == first.kind:
            batch.append(self._queue.popleft())
        return batch

    def _send(self, worker: _Worker, batch: list[Task], slots: int) -> None:
        worker.tasks, worker.slots, worker.since = batch, slots, time.monotonic()
        worker.inbox.put(batch)

    def _spawn(self, devices: tuple[str, ...] = ()) -> _Worker:
        self._count += 1
        name = f"worker-{self._count}"
        command = [sys.executable, "-P", "-m", "zn_pipeline.execute.dask_worker"]
        environment = dict(os.environ)
        cores = os.cpu_count() or 1
        environment.setdefault("OMP_NUM_THREADS", str(max(1, cores // self.n_workers)))
        if devices:
            environment[VISIBLE] = ",".join(devices)
        with Path(self._tmp, "workers.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, self._cluster.scheduler_address, name, self._tmp],
                cwd=self._root,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        worker = _Worker(name, process, queue.SimpleQueue(), devices=devices)
        self._workers.append(worker)
        arguments = (worker, self._client, self._ended)
        threading.Thread(target=_attend, args=arguments, daemon=True).start()
        return worker

    def _collect(self, ended: _Ended) -> list[StageResult]:
        """Return the results of a batch that has ended, one way or the other."""
        worker, batch, results = ended
        if worker not in self._workers or worker.tasks is not batch:
            return []
        worker.tasks = []
        if isinstance(results, BaseException):
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(1)  # a lost connection comes before the end of its process
            return self._bury(worker, batch, f"{type(results).__name__}: {results}")
        self._learn(batch, results)
        if worker.devices:  # the next node finds GPUs that nobody holds
            self._workers.remove(worker)
            worker.inbox.put(None)
            _end(worker.process)
            self._devices.give_back(worker.devices)
        return results

    def _learn(self, batch: list[Task], results: list[StageResult]) -> None:
        kinds = {task.name: task.kind for task in batch}
        for result in results:
            kind = kinds[result.name]
            before = self._seconds.get(kind, result.seconds)
            self._seconds[kind] = 0.7 * before + 0.3 * result.seconds

    def _reap(self) -> list[StageResult]:
        """Deal with workers that died, or that run a node for too long."""
        results: list[StageResult] = []
        for worker in list(self._workers):
            if worker.process.poll() is not None:
                batch, worker.tasks = worker.tasks, []
                results.extend(self._bury(worker, batch, "the worker process died"))
            elif self._is_late(worker):
                task = self._current(worker)
                batch, worker.tasks = worker.tasks, []
                shown = task.name if task else "a node"
                reason = f"{shown} ran longer than {self._limit(batch):g} minutes"
                results.extend(self._bury(worker, batch, reason))
        return results

    def _is_late(self, worker: _Worker) -> bool:
        limit = self._limit(worker.tasks)
        late = limit is not None and time.monotonic() - worker.since > 60 * limit
        return late and worker.ready

    def _limit(self, batch: list[Task]) -> float | None:
        """Return how many minutes a batch may take, None for no limit."""
        if not batch:
            return None
        own = batch[0].walltime_minutes
        return self.walltime_minutes if own is None else own

    def _bury(self, worker: _Worker, batch: list[Task], reason: str) -> list[StageResult]:
        """Give up a worker: what it had finished counts, what it ran failed, the rest runs."""
        code = worker.process.poll()
        _end(worker.process)
        self._stillborn = 0 if worker.ready else self._stillborn + 1
        if self._stillborn >= MAX_STILLBORN:
            raise PipelineError(
                f"workers must be able to start, but {self._stillborn} in a row ended before they "
                f"could take a node; see {self._tmp}/workers.log"
            )
        if worker in self._workers:
            self._workers.remove(worker)
            self._devices.give_back(worker.devices)
        results: list[StageResult] = []
        failed = False
        for task in batch:
            result = read_record(self._tmp, task)
            if result is None and not failed:
                failed = True
                ended = f"worker ended by signal {-code}" if code and code < 0 else reason
                result = StageResult(task.name, task.key, error=f"WorkerDied: {ended}")
                mark_failed(task, f"{result.error}\n")
            if result is None:
                self._queue.appendleft(task)
            else:
                results.append(result)
        return results

    def _current(self, worker: _Worker) -> Task | None:
        for task in worker.tasks:
            if read_record(self._tmp, task, quick=True) is None:
                return task
        return None


def _codes(root: str) -> dict[str, str]:
    """Return the code digest of each class in the graph of a project."""
    graph = workspace(Path(root)).graph
    return {entry["class"]: entry["code"] for entry in graph.values()}


_Ended = tuple[_Worker, list[Task], "list[StageResult] | BaseException"]


def _attend(worker: _Worker, client: Any, ended: queue.SimpleQueue[_Ended]) -> None:
    """Hand batches to one worker until it is told to stop; runs in a thread."""
    channel: Any = None
    while (batch := worker.inbox.get()) is not None:
        try:
            if channel is None:
                channel = _connect(worker, client)
            channel.send(batch)
            ended.put((worker, batch, channel.recv()))
        except Exception as error:  # noqa: BLE001 - whatever ends the worker is reported
            ended.put((worker, batch, error))
            return
    if channel is not None:
        channel.close()


def _connect(worker: _Worker, client: Any) -> Any:
    """Make the actor of a worker and return the connection to it."""
    address = _address(worker, client)
    with client.as_current():  # the proxy of an actor takes the current client
        runner = client.submit(NodeRunner, actor=True, workers=[address], key=worker.name).result()
        key = os.urandom(32)
        with connection.Listener(("127.0.0.1", 0), authkey=key) as listener:
            worker.served = runner.serve(listener.address, key)
            channel = listener.accept()
    worker.since, worker.ready = time.monotonic(), True
    return channel


def _address(worker: _Worker, client: Any) -> str:
    """Wait until a worker is known to the scheduler, and return its address.

    A name that the scheduler does not know yet would be no restriction at all: two actors in one
    worker would wait for each other.
    """
    while worker.process.poll() is None:
        address = client.cluster.scheduler.aliases.get(worker.name)
        if address is not None:
            return str(address)
        time.sleep(0.005)
    raise ChildProcessError(f"{worker.name} ended before it could take a node")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a worker and all that it has started."""
    if process.stdin is not None:
        process.stdin.close()
    end_worker(process.pid)
    process.wait()
