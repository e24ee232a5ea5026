"""SQLite files that several processes use at once, on local and on network disks."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

WAIT_SECONDS: Final = 60.0
"""How long a process waits for another one that writes."""

BROKEN: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Error codes of a file that is damaged, or no database at all."""

_NETWORK: Final = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "gfs2", "glusterfs",
        "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb3",
        "smbfs", "wekafs",
    }
)  # fmt: skip


def is_broken(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is damaged, rather than busy or the disk full."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in BROKEN


def open_database(file: Path, version: int, tables: str) -> sqlite3.Connection:
    """Open a database, or make it with the given tables if it is new or of another version.

    Parameters
    ----------
    version : of the tables; kept in the file
    tables : SQL that makes them
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        remove_database(file)  # a log without its database is of one that was removed
    db = sqlite3.connect(file, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        # The log with shared memory of WAL works among processes of one machine only.
        _set_journal(db, "delete" if is_network_disk(file.parent) else "wal")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA cache_size=-65536")
        db.execute("PRAGMA wal_autocheckpoint=4000")
        if _version(db) != version:
            with transaction(db):
                if _version(db) != version:
                    _make(db, version, tables)
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _make(db: sqlite3.Connection, version: int, tables: str) -> None:
    names = "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
    for (name,) in db.execute(names).fetchall():
        db.execute(f'DROP TABLE "{name}"')
    for statement in tables.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version={version}")


def _set_journal(db: sqlite3.Connection, mode: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while db.execute("PRAGMA journal_mode").fetchone()[0] != mode:
        try:
            db.execute(f"PRAGMA journal_mode={mode}")
        except sqlite3.OperationalError:  # SQLite does not wait for others here
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Generator[sqlite3.Connection]:
    """Hold the right to write for a moment; all or nothing is written."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def remove_database(file: Path) -> None:
    """Remove a database with its journals."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def is_network_disk(folder: Path, mounts: Path = Path("/proc/mounts")) -> bool:
    """Whether a folder lies on a file system that other machines see as well.

    Parameters
    ----------
    mounts : table of the mounted file systems
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    place = os.path.realpath(folder)
    best, kind = "", ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ").rstrip("/") + "/"
        if f"{place}/".startswith(point) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind in _NETWORK
