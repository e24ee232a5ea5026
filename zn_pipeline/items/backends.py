"""What computes items: the interface, and the queue of work that all backends draw from."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from zn_pipeline.items.call import Call
from zn_pipeline.items.records import Done, Lost, Work
from zn_pipeline.items.store import ItemStore

TARGET_SECONDS = 1.0
"""A chunk is made so large that it takes about this long."""

MAX_CHUNK = 1000


class WorkQueue:
    """Work that waits, in order; a backend takes from it, the map puts back what was lost.

    Parameters
    ----------
    keys : of all works
    make : makes the works of some keys
    fill : gives works their items, which are read no earlier than that; processes forked from this
        one may call it themselves
    """

    def __init__(
        self,
        keys: Iterable[bytes],
        make: Callable[[Sequence[bytes]], list[Work]],
        fill: Callable[[list[Work]], list[Work]] = list,
    ) -> None:
        self._keys = deque(keys)
        self._make = make
        self.fill = fill

    def __len__(self) -> int:
        return len(self._keys)

    def take(self, size: int) -> list[Work]:
        """Return up to `size` works, which no longer wait."""
        works = self.take_bare(size)
        return self.fill(works) if works else []

    def take_bare(self, size: int) -> list[Work]:
        """Return works whose items :attr:`fill` has still to read, unless they were computed."""
        keys = [self._keys.popleft() for _ in range(min(size, len(self._keys)))]
        return self._make(keys) if keys else []

    def claim(self, keys: Iterable[bytes]) -> tuple[bytes, ...]:
        """Take those of some keys that wait here, because somebody computes them already."""
        waiting = set(self._keys)
        claimed = tuple(key for key in keys if key in waiting)
        if claimed:
            gone = set(claimed)
            self._keys = deque(key for key in self._keys if key not in gone)
        return claimed

    def put_back(self, keys: Iterable[bytes]) -> None:
        """Let works wait again, in front of all others."""
        self._keys.extendleft(reversed(list(keys)))


class ChunkSize:
    """How many items make a chunk: as asked for, or as many as take about a second.

    Parameters
    ----------
    fixed : number of items; None to measure
    workers : how many share the work
    target : seconds that a chunk is to take
    """

    def __init__(self, fixed: int | None, workers: int = 1, target: float = TARGET_SECONDS) -> None:
        self._fixed = fixed
        self._workers = workers
        self._target = target
        self._seconds = 0.0
        self._items = 0

    def next(self, waiting: int) -> int:
        """Return the size of the next chunk."""
        if self._fixed is not None:
            return self._fixed
        if not self._items:
            return 1
        by_time = int(self._target * self._items / max(self._seconds, 1e-9))
        fair = -(-waiting // (2 * self._workers))
        return max(1, min(by_time, fair, MAX_CHUNK))

    def add(self, seconds: float, items: int) -> None:
        """Take note of how long a chunk took; what is recent counts more."""
        self._seconds = 0.5 * self._seconds + seconds
        self._items = round(0.5 * self._items) + items


class Backend(Protocol):
    """Computes works.

    Every result is in the store before it is reported. Works that a worker took and did not
    report come back as ``Lost``; the map finds out which of them have a record.
    """

    def run(self, call: Call, queue: WorkQueue, store: ItemStore) -> Iterator[list[Done] | Lost]:
        """Yield what became of the works, in any order, until the queue is empty."""
        ...


class SerialBackend:
    """Computes items one after the other in this process.

    Parameters
    ----------
    batch : size of a chunk; None to measure
    """

    def __init__(self, batch: int | None = None) -> None:
        self._batch = batch

    def run(self, call: Call, queue: WorkQueue, store: ItemStore) -> Iterator[list[Done] | Lost]:
        """Yield what became of the works; see :class:`Backend`."""
        from zn_pipeline.items.runner import run_chunk  # noqa: PLC0415

        scratch = store.folder / "scratch"
        prepared = call.prepare(scratch)
        size = ChunkSize(self._batch, target=0.2)
        while work := queue.take(size.next(2 * len(queue))):
            begin = time.perf_counter()
            done = run_chunk(prepared, work, store.writer(), scratch=scratch)
            size.add(time.perf_counter() - begin, len(work))
            yield done


def is_backend(value: Any) -> bool:
    """Whether a value can compute works."""
    return callable(getattr(value, "run", None))
