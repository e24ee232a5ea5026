"""Leases: which of several drivers computes what, so that nothing is computed twice.

A driver owns the keys that it took until it gives them back, ends, or gives no sign of life for two
minutes. Clocks of machines that share a store may differ by less than that.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from zn_pipeline.items.database import is_broken, open_database, remove_database, transaction
from zn_pipeline.items.segment import is_running, machine

HEARTBEAT_SECONDS: Final = 30.0
"""How often a driver gives a sign of life."""

EXPIRY_SECONDS: Final = 120.0
"""After this time without one its leases are free."""

THREAD: Final = "zn-leases"
"""Name of the thread that gives the signs of life; it is harmless to a fork."""

_SCHEMA: Final = 1
_TABLES: Final = """
CREATE TABLE owners(name TEXT PRIMARY KEY, heartbeat REAL NOT NULL, since REAL NOT NULL);
CREATE TABLE leases(key BLOB PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID
"""

P = ParamSpec("P")
R = TypeVar("R")


def owner_name() -> str:
    """Return a new name for a driver of this process: ``machine:pid:random``."""
    return f"{machine()}:{os.getpid()}:{secrets.token_hex(4)}"


def _locked(method: Callable[Concatenate[Leases, P], R]) -> Callable[Concatenate[Leases, P], R]:
    """Let one thread in at a time; a broken file is made anew: all leases in it are free."""

    def call(self: Leases, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.lock:
            try:
                return method(self, *args, **kwargs)
            except sqlite3.DatabaseError as error:
                if not is_broken(error):
                    raise
            self.close()
            remove_database(self.file)
            return method(self, *args, **kwargs)

    call.__name__, call.__doc__ = method.__name__, method.__doc__
    return call


class Leases:
    """Keys that drivers have taken.

    Parameters
    ----------
    file : the SQLite file
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lock = threading.RLock()
        self._open: sqlite3.Connection | None = None
        self._pid = 0

    @property
    def _db(self) -> sqlite3.Connection:
        if self._open is None or self._pid != os.getpid():
            if self._open is not None:
                _inherited.append(self._open)
            self._open = open_database(self.file, _SCHEMA, _TABLES)
            self._pid = os.getpid()
        return self._open

    def close(self) -> None:
        """Close the connection; it is opened again when needed."""
        if self._open is not None and self._pid == os.getpid():
            self._open.close()
        self._open = None

    @_locked
    def take(self, keys: Iterable[bytes], owner: str) -> set[bytes]:
        """Take the keys that no other living driver has; return those that are ours now.

        Look into the store once more afterwards: another driver may just have finished some.
        """
        wanted = list(keys)
        now = time.time()
        with transaction(self._db) as db:
            dead = [name for name, beat in self._others(db, owner) if _is_dead(name, beat, now)]
            for name in dead:
                _remove(db, name)
            db.execute(
                "INSERT INTO owners VALUES(?, ?, ?) ON CONFLICT(name) DO UPDATE "
                "SET heartbeat=excluded.heartbeat",
                (owner, now, now),
            )
            rows = [(key, owner) for key in wanted]
            before = db.total_changes
            db.executemany("INSERT OR IGNORE INTO leases VALUES(?, ?)", rows)
            if db.total_changes - before == len(rows):
                return set(wanted)
            mine = {key for (key,) in db.execute("SELECT key FROM leases WHERE owner=?", (owner,))}
        return mine.intersection(wanted)

    @_locked
    def renew(self, owner: str) -> bool:
        """Give a sign of life; return False if the leases have been taken over meanwhile."""
        with transaction(self._db) as db:
            done = db.execute("UPDATE owners SET heartbeat=? WHERE name=?", (time.time(), owner))
            return done.rowcount == 1

    @_locked
    def release(self, owner: str, keys: Iterable[bytes] | None = None) -> None:
        """Give keys back, all of them if none are named; results must be in the index before."""
        with transaction(self._db) as db:
            if keys is None:
                _remove(db, owner)
                return
            rows = [(key, owner) for key in keys]
            db.executemany("DELETE FROM leases WHERE key=? AND owner=?", rows)

    @_locked
    def living(self) -> dict[str, int]:
        """Return the drivers that are alive, and how many keys each holds."""
        if not self.file.exists():
            return {}
        now = time.time()
        alive = [name for name, beat in self._others(self._db, "") if not _is_dead(name, beat, now)]
        count = "SELECT count(*) FROM leases WHERE owner=?"
        return {name: self._db.execute(count, (name,)).fetchone()[0] for name in alive}

    @staticmethod
    def _others(db: sqlite3.Connection, owner: str) -> list[tuple[str, float]]:
        return db.execute("SELECT name, heartbeat FROM owners WHERE name<>?", (owner,)).fetchall()

    @contextlib.contextmanager
    def heartbeat(self, owner: str, every_seconds: float = HEARTBEAT_SECONDS) -> Generator[None]:
        """Renew the leases from a thread while the block runs; release all of them at its end."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(every_seconds):
                with contextlib.suppress(sqlite3.Error, OSError):
                    self.renew(owner)

        thread = threading.Thread(target=beat, name=THREAD, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.release(owner)


_inherited: list[sqlite3.Connection] = []
"""Connections of the parent process, which must not be closed here."""


def _remove(db: sqlite3.Connection, owner: str) -> None:
    db.execute("DELETE FROM leases WHERE owner=?", (owner,))
    db.execute("DELETE FROM owners WHERE name=?", (owner,))


def _is_dead(owner: str, heartbeat: float, now: float) -> bool:
    if now - heartbeat > EXPIRY_SECONDS:
        return True
    place, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    return place == machine() and pid.isdecimal() and not is_running(int(pid))
