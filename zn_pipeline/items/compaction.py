"""Throwing away results that nothing refers to, and merging small segments."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import time
from collections.abc import Collection, Generator, Iterable, Iterator
from pathlib import Path
from typing import Final

from zn_pipeline.errors import BusyError
from zn_pipeline.items.database import transaction
from zn_pipeline.items.index import Segment
from zn_pipeline.items.records import Place
from zn_pipeline.items.segment import RECIPE, DamagedError, SegmentWriter, check
from zn_pipeline.items.store import REMOVED, ItemStore

SMALL_BYTES: Final = 16 * 2**20
"""Segments smaller than this are merged."""

_HEX_KEY: Final = 40


@dataclasses.dataclass(frozen=True, slots=True)
class GcReport:
    """What was, or would be, thrown away.

    Attributes
    ----------
    n_removed, n_kept : results and failures
    n_bytes : that the segments take less
    segments_removed, segments_written : files
    segments_growing : that were left alone because their writers may be at work
    n_damaged : records that were to be kept, but are damaged
    """

    n_removed: int = 0
    n_kept: int = 0
    n_bytes: int = 0
    segments_removed: int = 0
    segments_written: int = 0
    segments_growing: int = 0
    n_damaged: int = 0


@dataclasses.dataclass(slots=True)
class _Plan:
    """What becomes of one segment."""

    segment: Segment
    keep: list[tuple[bytes, int, int]]  # key, offset, size
    n_removed: int = 0
    n_kept: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether there is nothing to gain in writing it again."""
        size = self.segment.size
        return size >= SMALL_BYTES and sum(item[2] for item in self.keep) > 0.95 * size


def gc(
    store: ItemStore,
    *,
    keep: Collection[bytes] = (),
    older_than_days: float = 0.0,
    dry_run: bool = False,
) -> GcReport:
    """Throw away the results that are neither in `keep` nor younger than a limit.

    Parameters
    ----------
    keep : keys that something refers to, see :func:`referenced_keys`
    older_than_days : results younger than this are kept; 0 keeps none for its age
    dry_run : change nothing

    Raises
    ------
    BusyError
        If a map is running, or another clean-up.

    Notes
    -----
    Segments to which a writer may add are left alone. What is kept is written anew before
    anything is removed: a clean-up that is killed loses nothing.
    """
    with _alone(store):
        store.refresh()
        limit = time.time() - older_than_days * 86400
        plans = list(_plans(store, set(keep), limit))
        growing = [plan for plan in plans if store.may_grow(plan.segment)]
        settled = [plan for plan in plans if not store.may_grow(plan.segment)]
        again = [plan for plan in settled if not plan.is_whole or plan.n_removed]
        if len(again) == 1 and not again[0].n_removed and again[0].keep:
            again = []  # a small one alone: nothing to merge it with
        kept_bytes = sum(size for plan in again for _, _, size in plan.keep)
        report = GcReport(
            n_removed=sum(plan.n_removed for plan in again),
            n_kept=sum(plan.n_kept + (0 if plan in again else plan.n_removed) for plan in plans),
            n_bytes=max(0, sum(plan.segment.size for plan in again) - kept_bytes),
            segments_removed=len(again),
            segments_growing=len(growing),
        )
        if dry_run or not again:
            return report
        written, n_damaged = _rewrite(store, again)
        return dataclasses.replace(report, segments_written=written, n_damaged=n_damaged)


@contextlib.contextmanager
def _alone(store: ItemStore) -> Generator[None]:
    """Make sure that no map runs that may rely on what would be removed."""
    store.folder.mkdir(parents=True, exist_ok=True)
    with (store.folder / "gc.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError(
                f"one clean-up of {store.folder} must run at a time, received a second one; "
                "wait for the first"
            ) from None
        owners = store.leases.living()
        if owners:
            raise BusyError(
                f"no map may run while {store.folder} is cleaned up, received "
                f"{', '.join(sorted(owners))}; wait for them, or stop them"
            )
        yield


def _plans(store: ItemStore, keep: set[bytes], limit: float) -> Iterator[_Plan]:
    plans = {item.id: _Plan(item, []) for item in store.index.known().values()}
    rows = store.index.select(
        "SELECT key, segment, offset, size, status, added, recipe FROM items ORDER BY segment, "
        "offset"
    )
    recipes = dict(store.index.select("SELECT recipe, id FROM recipes"))
    used = {row[6] for row in rows if row[4] != RECIPE and (row[5] >= limit or row[0] in keep)}
    for key, segment, offset, size, status, added, _ in rows:
        plan = plans[segment]
        if status == RECIPE:
            if recipes[key] in used or added >= limit:
                plan.keep.append((key, offset, size))
        elif added >= limit or key in keep:
            plan.keep.append((key, offset, size))
            plan.n_kept += 1
        else:
            plan.n_removed += 1
    yield from plans.values()


def _rewrite(store: ItemStore, plans: list[_Plan]) -> tuple[int, int]:
    """Write what is kept into new segments, then remove the old ones."""
    writer = SegmentWriter(store.segments)
    moved: list[tuple[bytes, Segment, int, Place]] = []
    n_damaged = 0
    try:
        for plan in plans:
            for key, offset, size in plan.keep:
                place = Place(plan.segment.name, offset, size)
                try:
                    frame = store.read_frame(place)
                    check(frame, place)
                except DamagedError:
                    n_damaged += 1
                    continue
                moved.append((key, plan.segment, offset, writer.append_frame(frame)))
    finally:
        writer.close()
    names = {place.segment for *_, place in moved}
    for name in names:
        _to_disk(store.segments / name)
    old = [plan.segment for plan in plans]
    _move(store, moved, old)
    with (store.folder / REMOVED).open("a", encoding="utf-8") as file:
        file.writelines(f"{segment.name}\n" for segment in old)
    for segment in old:
        (store.segments / segment.name).unlink(missing_ok=True)
    store.refresh()
    return len(names), n_damaged


def _move(
    store: ItemStore, moved: list[tuple[bytes, Segment, int, Place]], old: list[Segment]
) -> None:
    """Let the index point at the new places, and forget what is not kept."""
    store.refresh()  # the new segments are known now; their records are copies so far
    numbers = {name: item.id for name, item in store.index.known().items()}
    with store.index.lock, transaction(store.index.db) as db:
        db.executemany(
            "UPDATE items SET segment=?, offset=? WHERE key=? AND segment=? AND offset=?",
            [
                (numbers[place.segment], place.offset, key, segment.id, offset)
                for key, segment, offset, place in moved
            ],
        )
        db.executemany(
            "DELETE FROM copies WHERE segment=? AND offset=?",
            [(numbers[place.segment], place.offset) for *_, place in moved],
        )
        for segment in old:
            for table in ("items", "copies", "damaged"):
                db.execute(f"DELETE FROM {table} WHERE segment=?", (segment.id,))


def _to_disk(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def referenced_keys(folders: Iterable[Path]) -> set[bytes]:
    """Return the keys in all ``*.keys`` files of folders and of the folders in them.

    Folders whose name begins with a dot are left out.
    """
    found: set[bytes] = set()
    for folder in folders:
        for place, inner, names in os.walk(folder):
            inner[:] = [name for name in inner if not name.startswith(".")]
            for name in names:
                if name.endswith(".keys"):
                    found.update(_keys_in(Path(place, name)))
    return found


def _keys_in(file: Path) -> Iterator[bytes]:
    with contextlib.suppress(OSError), file.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            if len(line.strip()) == _HEX_KEY:
                with contextlib.suppress(ValueError):
                    yield bytes.fromhex(line)
