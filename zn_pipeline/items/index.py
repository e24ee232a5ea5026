"""The index of a store: from keys to records. It says nothing that the segments do not say.

One SQLite file, made anew from the segments whenever it is gone, broken or of another version. It
knows size and time of change of each segment: one that grew is read on from where the last scan
ended, one that changed in another way is read again from the start.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, Final, NamedTuple, ParamSpec, TypeVar

from zn_pipeline.items.database import is_broken, open_database, remove_database, transaction
from zn_pipeline.items.records import Done, Entry, ItemRecord, Place
from zn_pipeline.items.segment import (
    CODES,
    END,
    FAILED,
    FRAME_BYTES,
    OK,
    STATUS,
    SUFFIX,
    Frame,
    read_header,
    scan,
)

SCHEMA: Final = 1
_BATCH: Final = 900

_TABLES: Final = """
CREATE TABLE segments(
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL,
    size INT NOT NULL, changed INT NOT NULL, scanned INT NOT NULL, closed INT NOT NULL,
    torn INT NOT NULL);
CREATE TABLE items(
    key BLOB PRIMARY KEY, status INT NOT NULL, segment INT NOT NULL, offset INT NOT NULL,
    size INT NOT NULL, seconds REAL NOT NULL, attempts INT NOT NULL, added INT NOT NULL,
    recipe INT NOT NULL, structure BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE recipes(id INTEGER PRIMARY KEY, recipe BLOB UNIQUE NOT NULL);
CREATE TABLE copies(
    segment INT, offset INT, size INT, key BLOB, same INT, PRIMARY KEY(segment, offset));
CREATE TABLE damaged(segment INT, start INT, stop INT);
"""

# A result replaces a failure, a later failure an earlier one; otherwise the first one counts.
_INSERT: Final = f"""
INSERT INTO items VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(key) DO UPDATE SET
    status=excluded.status, segment=excluded.segment, offset=excluded.offset, size=excluded.size,
    seconds=excluded.seconds, attempts=excluded.attempts, added=excluded.added,
    recipe=excluded.recipe, structure=excluded.structure
WHERE items.status={FAILED} AND (excluded.status={OK} OR excluded.added > items.added)
"""

Row = tuple[bytes, int, int, int, int, float, int, int, int, bytes]
"""A row of the table of items, in the order of its columns."""


Facts = ItemRecord | Done
"""What is known of a record; its body is not looked at."""


class Segment(NamedTuple):
    """What the index knows of a segment.

    Attributes
    ----------
    size, changed : of the file (bytes, ns since 1970) when it was last looked at
    scanned : up to where its records are known
    closed : whether its writer said that it is done
    torn : bytes of an unfinished record at its end
    """

    id: int
    name: str
    size: int
    changed: int
    scanned: int
    closed: int
    torn: int


P = ParamSpec("P")
R = TypeVar("R")


def _mending(method: Callable[Concatenate[Index, P], R]) -> Callable[Concatenate[Index, P], R]:
    """Let one thread in at a time; make a broken index anew and try again."""

    @functools.wraps(method)
    def call(self: Index, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.lock:
            try:
                return method(self, *args, **kwargs)
            except sqlite3.DatabaseError as error:
                if not is_broken(error):
                    raise
            self.drop()
            self.look(thorough=True)
            return method(self, *args, **kwargs)

    return call


_inherited: list[sqlite3.Connection] = []
"""Connections of the parent process, which must not be closed here."""


class Index:
    """Finds records by key.

    Parameters
    ----------
    file : the SQLite file
    segments : folder of the segments
    """

    def __init__(self, file: Path, segments: Path) -> None:
        self.file = file
        self.segments = segments
        self.lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._opened = (0, 0)
        self._names: dict[int, str] = {}

    @property
    def db(self) -> sqlite3.Connection:
        """Connection of this process."""
        if self._db is None or self._opened[0] != os.getpid():
            if self._db is not None:
                _inherited.append(self._db)
            self._db = open_database(self.file, SCHEMA, _TABLES)
            self._opened = (os.getpid(), self.file.stat().st_ino)
            self._names = {}
        return self._db

    def close(self) -> None:
        """Close the connection; it is opened again when needed."""
        if self._db is not None and self._opened[0] == os.getpid():
            self._db.close()
        self._db = None
        self._opened = (0, 0)

    def drop(self) -> None:
        """Remove the index; the next use makes it anew from the segments."""
        inode = self._opened[1]
        self.close()
        with contextlib.suppress(FileNotFoundError):
            if inode in (0, self.file.stat().st_ino):
                remove_database(self.file)

    # Reading.

    @_mending
    def find(self, keys: Sequence[bytes]) -> dict[bytes, Entry]:
        """Return the entries of those keys that are known."""
        found: dict[bytes, Entry] = {}
        names = self._names
        db = self.db
        ordered = sorted(keys)  # neighbours share pages
        for start in range(0, len(ordered), _BATCH):
            batch = ordered[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            rows = db.execute(
                "SELECT key, status, segment, offset, size, seconds, attempts FROM items "
                f"WHERE key IN ({marks})",
                batch,
            )
            for key, status, segment, offset, size, seconds, attempts in rows:
                if segment not in names:
                    names |= {item.id: item.name for item in self._known().values()}
                place = Place(names[segment], offset, size)
                found[key] = Entry(key, STATUS[status], place, seconds, attempts)
        return found

    @_mending
    def known(self) -> dict[str, Segment]:
        """Return the segments by name."""
        return self._known()

    def _known(self) -> dict[str, Segment]:
        rows = self.db.execute("SELECT * FROM segments")
        return {row[1]: Segment(*row) for row in rows}

    @_mending
    def select(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        return self.db.execute(query, values).fetchall()

    # Writing.

    @_mending
    def refresh(self, *, thorough: bool = False) -> None:
        """Look at what became of the segments since last time.

        Parameters
        ----------
        thorough : read all of them from the start
        """
        self.look(thorough=thorough)

    def look(self, *, thorough: bool = False) -> None:
        """Do what :meth:`refresh` does, without mending a broken index."""
        here = dict(segment_files(self.segments))
        if not thorough and here == {
            name: (item.size, item.changed) for name, item in self._known().items()
        }:
            return
        with transaction(self.db) as db:
            known = self._known()
            here = dict(segment_files(self.segments))
            restarted = False
            for name in known.keys() - here.keys():
                self._forget(db, known[name].id)
                db.execute("DELETE FROM segments WHERE id=?", (known[name].id,))
                restarted = True
            for name, (size, changed) in sorted(here.items()):
                old = known.get(name)
                if old is None or thorough or (old.size, old.changed) != (size, changed):
                    start = _resume(None if thorough else old, size)
                    restarted |= old is not None and start == 0
                    self._scan(db, name, size, changed, start)
            if restarted:
                self._revive(db)

    def _scan(self, db: sqlite3.Connection, name: str, size: int, changed: int, start: int) -> None:
        """Read a segment on from where the last scan ended, or from the start."""
        number = self._number(db, name)
        if start == 0:
            self._forget(db, number)
        try:
            found = scan(self.segments / name, start, size)
        except FileNotFoundError:
            return
        if start > 0 and found.damaged and found.damaged[0][0] == start:
            self._scan(db, name, size, changed, 0)  # not what was here before, and more
            return
        numbers = _RecipeNumbers(db)
        frames = [frame for frame in found.frames if frame.code != END]
        self._insert(db, [_row(frame, number, numbers) for frame in frames])
        db.execute("DELETE FROM damaged WHERE segment=? AND start>=?", (number, start))
        ranges = [(number, *damage) for damage in found.damaged]
        db.executemany("INSERT INTO damaged VALUES(?, ?, ?)", ranges)
        db.execute(
            "UPDATE segments SET size=?, changed=?, scanned=?, torn=?, "
            "closed=(? OR (closed AND ?)) WHERE id=?",
            (size, changed, found.end, found.torn, found.closed, not found.frames, number),
        )

    def _number(self, db: sqlite3.Connection, name: str) -> int:
        db.execute("INSERT OR IGNORE INTO segments VALUES(NULL, ?, 0, 0, 0, 0, 0)", (name,))
        number: int = db.execute("SELECT id FROM segments WHERE name=?", (name,)).fetchone()[0]
        return number

    def _forget(self, db: sqlite3.Connection, number: int) -> None:
        """Forget all records of a segment."""
        for table in ("items", "copies", "damaged"):
            db.execute(f"DELETE FROM {table} WHERE segment=?", (number,))

    def _revive(self, db: sqlite3.Connection) -> None:
        """Let copies of records that are no longer known take their place."""
        lost = db.execute(
            "SELECT name, offset, copies.segment FROM copies JOIN segments ON segment=id "
            "WHERE key NOT IN (SELECT key FROM items)"
        ).fetchall()
        for name, offset, number in lost:
            db.execute("DELETE FROM copies WHERE segment=? AND offset=?", (number, offset))
            frame = self._header(name, offset)
            if frame is not None:
                self._insert(db, [_row(frame, number, _RecipeNumbers(db))])

    def _header(self, name: str, offset: int) -> Frame | None:
        with contextlib.suppress(OSError), (self.segments / name).open("rb") as file:
            file.seek(offset)
            return read_header(file.read(FRAME_BYTES), 0, offset)
        return None

    @_mending
    def add(self, entries: Iterable[tuple[Facts, Place]]) -> None:
        """Take over what writers say that they have written; nothing is read."""
        now = int(time.time())
        by_segment: dict[str, list[tuple[Facts, Place]]] = {}
        for record, place in entries:
            by_segment.setdefault(place.segment, []).append((record, place))
        with transaction(self.db) as db:
            numbers = _RecipeNumbers(db)
            for name, group in by_segment.items():
                number = self._number(db, name)
                self._insert(
                    db, [_told(record, place, number, now, numbers) for record, place in group]
                )
                at: int = db.execute(
                    "SELECT scanned FROM segments WHERE id=?", (number,)
                ).fetchone()[0]
                for offset, size in sorted((place.offset, place.size) for _, place in group):
                    at = at + size if offset == at else at
                db.execute("UPDATE segments SET scanned=? WHERE id=?", (at, number))

    @_mending
    def forget(self, keys: Iterable[bytes]) -> None:
        """Let keys count as not done; copies of their records take their place."""
        with transaction(self.db) as db:
            db.executemany("DELETE FROM items WHERE key=?", [(key,) for key in keys])
            self._revive(db)

    @_mending
    def forget_place(self, place: Place) -> None:
        """Let the record at a place count as not there."""
        query = "SELECT key FROM items JOIN segments ON segment=id WHERE name=? AND offset=?"
        self.forget([key for (key,) in self.db.execute(query, (place.segment, place.offset))])

    def _insert(self, db: sqlite3.Connection, rows: list[Row]) -> None:
        before = db.total_changes
        rows.sort(key=_ORDER)  # neighbours share pages; records of one key keep their order
        db.executemany(_INSERT, rows)
        if db.total_changes - before < len(rows):
            self._note_copies(db, rows)

    def _note_copies(self, db: sqlite3.Connection, rows: list[Row]) -> None:
        """Note results of keys that had one already, and whether they are the same."""
        for row in rows:
            key, status, number, offset, size = row[:5]
            first = db.execute(
                "SELECT status, segment, offset, name FROM items JOIN segments ON segment=id "
                "WHERE key=?",
                (key,),
            ).fetchone()
            if status == FAILED or first[0] == FAILED or first[1:3] == (number, offset):
                continue
            name = db.execute("SELECT name FROM segments WHERE id=?", (number,)).fetchone()[0]
            one, other = self._header(first[3], first[2]), self._header(name, offset)
            same = one is None or other is None or one[2:4] == other[2:4]
            db.execute(
                "INSERT OR IGNORE INTO copies VALUES(?, ?, ?, ?, ?)",
                (number, offset, size, key, same),
            )


def _resume(old: Segment | None, size: int) -> int:
    """Return where to read on: behind what is known if the file has only grown."""
    return old.scanned if old is not None and old.size < size >= old.scanned else 0


class _RecipeNumbers(dict[bytes, int]):
    """Numbers that stand for recipes in the table of items."""

    def __init__(self, db: sqlite3.Connection) -> None:
        super().__init__()
        self._db = db

    def __missing__(self, recipe: bytes) -> int:
        self._db.execute("INSERT OR IGNORE INTO recipes(recipe) VALUES(?)", (recipe,))
        query = "SELECT id FROM recipes WHERE recipe=?"
        self[recipe] = self._db.execute(query, (recipe,)).fetchone()[0]
        return self[recipe]


_ORDER: Final = operator.itemgetter(0)


def _row(frame: Frame, segment: int, recipes: Mapping[bytes, int]) -> Row:
    code, offset, size, _, attempts, seconds, added, key, recipe, structure = frame
    return (
        key, code, segment, offset, size, seconds, attempts, int(added), recipes[recipe], structure
    )  # fmt: skip


def _told(
    record: Facts, place: Place, segment: int, added: int, recipes: Mapping[bytes, int]
) -> Row:
    return (
        record.key, CODES[record.status], segment, place.offset, place.size, record.seconds,
        record.attempts, added, recipes[record.recipe], record.structure,
    )  # fmt: skip


def segment_files(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield name, size (bytes) and time of change (ns since 1970) of the segments of a folder."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as items:
        for item in items:
            if item.name.endswith(SUFFIX):
                with contextlib.suppress(FileNotFoundError):
                    info = item.stat()
                    yield item.name, (info.st_size, info.st_mtime_ns)
