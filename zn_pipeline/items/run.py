"""One run of a map: find what is stored, compute the rest, settle every item."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

from zn_pipeline.fingerprint.structures import structure_hash
from zn_pipeline.items.backends import Backend, WorkQueue
from zn_pipeline.items.call import Call
from zn_pipeline.items.inputs import Items
from zn_pipeline.items.leases import owner_name
from zn_pipeline.items.ledger import Ledger
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
"""How often an item is tried that runs into the walltime and may keep checkpoints elsewhere."""

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
        self.ledger = Ledger(self.size)
        self.content = b""
        self.failed: dict[int, Place] = {}
        self.chains: dict[int, list[Place]] = {}
        # By key: the first unit that waits for it, and what few have, to be small in memory:
        # further units, the first missing step with its input, attempts so far.
        self._waiting: dict[bytes, int] = {}
        self._twins: dict[bytes, list[int]] = {}
        self._begun: dict[bytes, tuple[int, Any]] = {}
        self._attempts: dict[bytes, int] = {}
        self._in_vain: dict[bytes, int] = {}
        self._checkpoints: dict[bytes, list[tuple[int, int, int]]] = {}
        self._settled = 0
        self._computed = 0

    def row(self, unit: int) -> int:
        """Return the input row of a unit."""
        return unit // self._variants

    @property
    def pending(self) -> int:
        """Number of units that are not settled."""
        return self.size - self._settled

    def plan(self, *, whole: bool = False) -> None:
        """Find what is stored; what is not waits under the key of its first missing step.

        Parameters
        ----------
        whole : make the attribute `content`, a digest of all that outputs get from the items
            beside what is in the keys
        """
        self.store.refresh()
        whole = whole and any(s.reads != "all" for steps in self.call.variants for s in steps)
        content = hashlib.blake2b(digest_size=20)
        for begin in range(0, len(self.items), PLAN_CHUNK):
            rows = range(begin, min(begin + PLAN_CHUNK, len(self.items)))
            items = self.items.read(rows)
            for item in items if whole else ():
                content.update(structure_hash(item, "all"))
            todo = [
                (row * self._variants + variant, 0, item)
                for row, item in zip(rows, items, strict=True)
                for variant in range(self._variants)
            ]
            while todo:
                todo = self._advance(todo)
        self.content = content.digest() if whole else b""
        self._tell()

    def _advance(self, todo: list[tuple[int, int, Any]]) -> list[tuple[int, int, Any]]:
        """Look one step up for each unit; return those that have it and need the next."""
        identify = self.call.identify
        named = [identify(unit % self._variants, step, item) for unit, step, item in todo]
        found = self.store.find([key for key, _, _ in named], refresh=False)
        further: list[tuple[int, int, Any]] = []
        for (unit, step, item), (key, structure, _) in zip(todo, named, strict=True):
            entry = found.get(key)
            steps = self.call.variants[unit % self._variants]
            if entry is not None and entry.status == "ok":
                if step + 1 == len(steps):
                    self._settle(unit, key, entry.place)
                    continue
                output = self.store.read(entry.place, entry.key)
                if output is None:
                    self._settle(unit, key, entry.place)
                else:
                    self.chains.setdefault(unit, []).append(entry.place)
                    further.append((unit, step + 1, complete(output, item, steps[step].reads)))
            elif entry is not None and self._retry != "failed" and not self._is_curable(entry):
                self._settle(unit, key, entry.place, failed=True)
            else:
                attempts = 0 if entry is None else entry.attempts
                self._wait(unit, step, item, key, structure, attempts)
        return further

    def _wait(
        self, unit: int, step: int, item: Any, key: bytes, structure: bytes, attempts: int
    ) -> None:
        if key in self._waiting:
            self._twins.setdefault(key, []).append(unit)
            return
        self._waiting[key] = unit
        self.ledger.note(unit, key, structure)
        if step:  # the item itself is read again when its turn comes, unless it was computed
            self._begun[key] = (step, item)
        if attempts:
            self._attempts[key] = attempts

    def _units(self, key: bytes) -> list[int]:
        """Return the units that wait for a key."""
        unit = self._waiting.get(key)
        return [] if unit is None else [unit, *self._twins.get(key, ())]

    def _stop_waiting(self, key: bytes) -> list[int]:
        units = self._units(key)
        for table in (self._waiting, self._twins, self._begun):
            table.pop(key, None)
        return units

    def _is_curable(self, entry: Entry | Done) -> bool:
        """Whether a failure is of the kind that another attempt may cure, and may have one."""
        kind = str(self.store.read(entry.place, entry.key).get("kind"))
        return kind in INFRASTRUCTURE and entry.attempts < MAX_ATTEMPTS

    def _went_on(self, key: bytes) -> bool:
        """Whether an item left other checkpoints than the last time; on another machine: may."""
        if not any("scratch" in step.injected for steps in self.call.variants for step in steps):
            return False
        folder = self.store.scratch(key)
        if not folder.is_dir():
            return self._attempts.get(key, 0) < MAX_CONTINUATIONS
        stats = [path.stat() for path in sorted(folder.rglob("*"))]
        found = [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats]
        before, self._checkpoints[key] = self._checkpoints.get(key, []), found
        return found != before

    def execute(self, backend: Backend) -> None:
        """Compute what waits; what another driver computes is waited for."""
        while self._waiting:
            with self._lease() as ours:
                # Between the plan and the lease another driver may have finished some.
                self._adopt([key for key in list(self._waiting) if key in ours])
                keys = (key for key in self._waiting if key in ours)
                queue = WorkQueue(keys, self._make, self._fill)
                if len(queue):
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
        """Return works; those whose input is not computed have still to be given their items."""
        made: list[Work] = []
        for key in keys:
            unit = self._waiting[key]
            variant = unit % self._variants
            step, item = self._begun.get(key, (0, None))
            structure = self.ledger.structure(unit)
            seed = self.call.seed_of(variant, step, structure)
            tries = self._attempts.get(key, 0)
            made.append(Work(key, structure, item, seed, variant, step, tries, self.row(unit)))
        return made

    def _fill(self, works: list[Work]) -> list[Work]:
        """Give works what their functions get of the items."""
        fresh = [work for work in works if work.step == 0]
        for work, item in zip(fresh, self.items.read([work.row for work in fresh]), strict=True):
            work.item = item
        for work in works:
            steps = self.call.variants[work.variant]
            work.item = self.items.given(work.item, steps[0].reads if len(steps) == 1 else "all")
        return works

    def _take_up(self, done: Iterable[Done], queue: WorkQueue) -> None:
        found = list(done)
        self.store.add((entry, entry.place) for entry in found)
        again: list[bytes] = []
        for entry in found:
            if not entry.last:
                for unit in self._units(entry.origin):
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
            tries = self._attempts.get(victim, 0)
            in_vain = self._in_vain.get(victim, tries) + 1
            if lost.kind == "timeout" and self._went_on(victim):
                in_vain = 0
            self._attempts[victim], self._in_vain[victim] = tries + 1, in_vain
            if in_vain >= MAX_ATTEMPTS:
                self._give_up(victim, lost)
                again = again[1:]
        queue.put_back(again)

    def _adopt(self, keys: Sequence[bytes]) -> None:
        """Settle what has a record by now."""
        self.store.refresh()
        for key, entry in self.store.find(keys, refresh=False).items():
            [work] = self._make([key])
            steps = self.call.variants[work.variant]
            if entry.status == "ok" and (work.step + 1 == len(steps)):
                self._finish(key, key, entry.place)
            elif entry.status == "ok":
                self._look_further(key)
            elif entry.attempts > work.attempts and not self._is_curable(entry):
                self._finish(key, key, entry.place, failed=True)

    def _look_further(self, key: bytes) -> None:
        """Plan the units of a work again, whose first step has a result by now."""
        step, item = self._begun.get(key, (0, None))
        todo = [
            (unit, step, item if step else self.items.read([self.row(unit)])[0])
            for unit in self._stop_waiting(key)
        ]
        while todo:
            todo = self._advance(todo)

    def _give_up(self, key: bytes, lost: Lost) -> None:
        """Store the failure of an item that ended its worker every time."""
        [work] = self._make([key])
        failure = {
            "kind": lost.kind,
            "type": "WorkerLost",
            "message": lost.message,
            "traceback": "",
            "host": lost.host,
            "job": lost.job or job_id(),
            "kept_files": [],
            "attempts": work.attempts,
        }
        step = self.call.variants[work.variant][work.step]
        record = ItemRecord(
            key, step.recipe.id, work.structure, "failed", encode(failure), 0.0, work.attempts
        )
        [place] = self.store.put([record])
        self._finish(key, key, place, failed=True)

    def _finish(self, origin: bytes, key: bytes, place: Place, *, failed: bool = False) -> None:
        units = self._stop_waiting(origin)
        self._computed += bool(units) and not failed
        for unit in units:
            self._settle(unit, key, place, failed=failed)

    def _settle(self, unit: int, key: bytes, place: Place, *, failed: bool = False) -> None:
        self._settled += 1
        self.ledger.settle(unit, key, None if failed else place)
        if failed:
            self.failed[unit] = place

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._settled, self.size)

    def failures(self) -> list[Failure]:
        """Return the failures, in the order of the input."""
        found: list[Failure] = []
        for unit, place in sorted(self.failed.items()):
            values = self.store.read(place, self.ledger.key(unit))
            setting = self.call.settings[unit % self._variants]
            found.append(Failure.from_json(values, self.row(unit), setting))
        return found

    def report(self) -> MapReport:
        """Return how many units were computed, found, failed and are pending."""
        n_failed, n_ok = len(self.failed), self._computed
        return MapReport(n_ok, self._settled - n_failed - n_ok, n_failed, self.pending)
