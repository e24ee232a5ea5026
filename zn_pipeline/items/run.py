"""One run of a map: find what is stored, compute the rest, settle every item."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

from zn_pipeline.items.backends import Backend, WorkQueue
from zn_pipeline.items.call import Call
from zn_pipeline.items.inputs import Items
from zn_pipeline.items.leases import owner_name
from zn_pipeline.items.records import (
    INFRASTRUCTURE,
    Done,
    Entry,
    Failure,
    ItemRecord,
    Lost,
    Place,
    Work,
)
from zn_pipeline.items.results import MapReport
from zn_pipeline.items.runner import job_id
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.values import encode
from zn_pipeline.items.visible import complete

MAX_ATTEMPTS = 3
"""How often an item is tried whose failures are not its own."""

MAX_CONTINUATIONS = 1000
"""How often an item is tried that runs into the walltime and keeps checkpoints."""

LEASE_WAIT_SECONDS = 0.5
PLAN_CHUNK = 2000


class MapRun:
    """State of all units of a map; a unit is one item under one setting of the sweep.

    Parameters
    ----------
    call : what is done with each item
    items : the input
    store : where results are
    backend : what computes
    retry : ``"failed"`` also tries again what failed by its own fault
    progress : is told how many units are settled, and how many there are
    """

    def __init__(
        self,
        call: Call,
        items: Items,
        store: ItemStore,
        *,
        retry: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.call = call
        self.items = items
        self.store = store
        self._retry = retry
        self._progress = progress
        self._variants = len(call.variants)
        self.size = len(items) * self._variants
        self.keys: list[bytes] = [b""] * self.size
        self.places: list[Place | None] = [None] * self.size
        self.failed: dict[int, Place] = {}
        self.chains: dict[int, list[Place]] = {}
        self._waiting: dict[bytes, list[int]] = {}
        self._works: dict[bytes, Work] = {}
        self._attempts: dict[bytes, int] = {}
        self._settled = 0
        self._computed: set[bytes] = set()

    def row(self, unit: int) -> int:
        """Return the input row of a unit."""
        return unit // self._variants

    @property
    def pending(self) -> int:
        """Number of units that are not settled."""
        return self.size - self._settled

    def plan(self) -> None:
        """Find what is stored; what is not waits under the key of its first missing step."""
        self.store.refresh()
        for begin in range(0, len(self.items), PLAN_CHUNK):
            rows = range(begin, min(begin + PLAN_CHUNK, len(self.items)))
            todo = [
                (row * self._variants + variant, 0, item)
                for row, item in zip(rows, self.items.read(rows), strict=True)
                for variant in range(self._variants)
            ]
            while todo:
                todo = self._advance(todo)
        self._tell()

    def _advance(self, todo: list[tuple[int, int, Any]]) -> list[tuple[int, int, Any]]:
        """Look one step up for each unit; return those that have it and need the next."""
        identify = self.call.identify
        named = [identify(unit % self._variants, step, item) for unit, step, item in todo]
        found = self.store.find([key for key, _, _ in named], refresh=False)
        further: list[tuple[int, int, Any]] = []
        for (unit, step, item), (key, structure, seed) in zip(todo, named, strict=True):
            entry = found.get(key)
            steps = self.call.variants[unit % self._variants]
            if entry is not None and entry.status == "ok":
                if step + 1 == len(steps):
                    self._settle(unit, key, entry.place)
                    continue
                output = self.store.read(entry.place)
                if output is None:
                    self._settle(unit, key, entry.place)
                else:
                    self.chains.setdefault(unit, []).append(entry.place)
                    further.append((unit, step + 1, complete(output, item, steps[step].reads)))
            elif entry is not None and self._retry != "failed" and not self._is_curable(entry):
                self._settle(unit, key, entry.place, failed=True)
            else:
                attempts = 0 if entry is None else entry.attempts
                self._wait(unit, step, item, key, structure, seed, attempts)
        return further

    def _wait(
        self,
        unit: int,
        step: int,
        item: Any,
        key: bytes,
        structure: bytes,
        seed: int | None,
        attempts: int,
    ) -> None:
        units = self._waiting.setdefault(key, [])
        if not units:
            # The item itself is read again when its turn comes, unless it was computed.
            kept = item if step else None
            variant = unit % self._variants
            self._works[key] = Work(key, structure, kept, seed, variant, step, attempts)
            self._attempts[key] = attempts
        units.append(unit)

    def _is_curable(self, entry: Entry | Done) -> bool:
        """Whether a failure is of the kind that another attempt may cure, and may have one."""
        kind = str(self.store.read(entry.place).get("kind"))
        return kind in INFRASTRUCTURE and entry.attempts < self._most_attempts(kind)

    def _most_attempts(self, kind: str) -> int:
        """Return how often an item is tried; one that goes on where it was is not given up."""
        goes_on = any("scratch" in step.injected for step in self.call.steps)
        return MAX_CONTINUATIONS if kind == "timeout" and goes_on else MAX_ATTEMPTS

    def execute(self, backend: Backend) -> None:
        """Compute what waits; what another driver computes is waited for."""
        while self._waiting:
            with self._lease() as ours:
                # Between the plan and the lease another driver may have finished some.
                self._adopt([key for key in list(self._waiting) if key in ours])
                queue = WorkQueue((key for key in self._waiting if key in ours), self._make)
                self._drain(backend, queue)
            if not self._waiting or not getattr(backend, "waits", True):
                return
            time.sleep(LEASE_WAIT_SECONDS)
            self._adopt(list(self._waiting))

    @contextlib.contextmanager
    def _lease(self) -> Generator[set[bytes]]:
        """Hold the right to compute what nobody else does."""
        leases, owner = self.store.leases, owner_name()
        ours = leases.take(self._waiting, owner)
        with leases.heartbeat(owner):
            yield ours

    def _drain(self, backend: Backend, queue: WorkQueue) -> None:
        with contextlib.closing(backend.run(self.call, queue, self.store)) as events:  # type: ignore[type-var]
            for event in events:
                if isinstance(event, Lost):
                    self._recover(event, queue)
                else:
                    self._take_up(event, queue)
                self._tell()

    def _make(self, keys: Sequence[bytes]) -> list[Work]:
        """Return works with their items."""
        works = [self._works[key] for key in keys]
        rows = [self.row(self._waiting[key][0]) for key in keys]
        fresh = [row for work, row in zip(works, rows, strict=True) if work.step == 0]
        items = iter(self.items.read(fresh)) if fresh else iter(())
        made: list[Work] = []
        for work in works:
            steps = self.call.variants[work.variant]
            item = next(items) if work.step == 0 else work.item
            made.append(
                Work(
                    work.key,
                    work.structure,
                    self.items.given(item, "all" if len(steps) > 1 else steps[0].reads),
                    work.seed,
                    work.variant,
                    work.step,
                    self._attempts[work.key],
                )
            )
        return made

    def _take_up(self, done: Iterable[Done], queue: WorkQueue) -> None:
        found = list(done)
        self.store.add((entry, entry.place) for entry in found)
        again: list[bytes] = []
        for entry in found:
            if not entry.last:
                for unit in self._waiting.get(entry.origin, ()):
                    self.chains.setdefault(unit, []).append(entry.place)
                continue
            failed = entry.status != "ok"
            if failed and entry.key == entry.origin and self._is_curable(entry):
                self._attempts[entry.origin] = entry.attempts
                again.append(entry.origin)
                continue
            self._finish(entry.origin, entry.key, entry.place, failed=failed)
        queue.put_back(again)

    def _recover(self, lost: Lost, queue: WorkQueue) -> None:
        """Take up what a lost worker had stored; the rest of its works wait again."""
        self._adopt(lost.keys)
        again = [key for key in lost.keys if key in self._waiting]
        if again and lost.blame:
            victim = again[0]
            self._attempts[victim] += 1
            if self._attempts[victim] >= self._most_attempts(lost.kind):
                self._give_up(victim, lost)
                again = again[1:]
        queue.put_back(again)

    def _adopt(self, keys: Sequence[bytes]) -> None:
        """Settle what has a record by now."""
        self.store.refresh()
        for key, entry in self.store.find(keys, refresh=False).items():
            work = self._works[key]
            steps = self.call.variants[work.variant]
            if entry.status == "ok" and (work.step + 1 == len(steps)):
                self._finish(key, key, entry.place)
            elif entry.status == "ok":
                self._look_further(key)
            elif entry.attempts > self._attempts[key] and not self._is_curable(entry):
                self._finish(key, key, entry.place, failed=True)

    def _look_further(self, key: bytes) -> None:
        """Plan the units of a work again, whose first step has a result by now."""
        work, units = self._works.pop(key), self._waiting.pop(key)
        todo = [
            (unit, work.step, self.items.read([self.row(unit)])[0] if not work.step else work.item)
            for unit in units
        ]
        while todo:
            todo = self._advance(todo)

    def _give_up(self, key: bytes, lost: Lost) -> None:
        """Store the failure of an item that ended its worker every time."""
        work = self._works[key]
        failure = {
            "kind": lost.kind,
            "type": "WorkerLost",
            "message": lost.message,
            "traceback": "",
            "host": lost.host,
            "job": lost.job or job_id(),
            "kept_files": [],
            "attempts": self._attempts[key],
        }
        step = self.call.variants[work.variant][work.step]
        tries = self._attempts[key]
        record = ItemRecord(
            key, step.recipe.id, work.structure, "failed", encode(failure), 0.0, tries
        )
        [place] = self.store.put([record])
        self._finish(key, key, place, failed=True)

    def _finish(self, origin: bytes, key: bytes, place: Place, *, failed: bool = False) -> None:
        if not failed:
            self._computed.add(key)
        for unit in self._waiting.pop(origin, ()):
            self._settle(unit, key, place, failed=failed)
        self._works.pop(origin, None)

    def _settle(self, unit: int, key: bytes, place: Place, *, failed: bool = False) -> None:
        self._settled += 1
        self.keys[unit] = key
        if failed:
            self.failed[unit] = place
        else:
            self.places[unit] = place

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._settled, self.size)

    def failures(self) -> list[Failure]:
        """Return the failures, in the order of the input."""
        found: list[Failure] = []
        for unit, place in sorted(self.failed.items()):
            values = self.store.read(place)
            found.append(Failure.from_json(values, self.row(unit)))
        return found

    def report(self) -> MapReport:
        """Return how many units were computed, found, failed and are pending."""
        n_failed, n_ok = len(self.failed), len(self._computed)
        return MapReport(n_ok, self._settled - n_failed - n_ok, n_failed, self.pending)
