"""Small JSON records on disk: written in one step, and locks that the system frees by itself."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record in one step: a reader sees the old one or the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a record, or None if there is none or it is damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


@contextlib.contextmanager
def locked(path: Path, timeout_seconds: float | None = None) -> Generator[None]:
    """Hold a lock file, which may be removed by who holds it.

    Raises
    ------
    TimeoutError
        If another process holds it for longer than `timeout_seconds`; None waits without end.
    """
    end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _take(handle, path, end)
            if _is_in_place(handle, path):
                yield
                return
        finally:
            os.close(handle)


def _take(handle: int, path: Path, end: float | None) -> None:
    if end is None:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise TimeoutError(f"{path} must be free, another process holds it") from None
            time.sleep(0.05)
        else:
            return


def _is_in_place(handle: int, path: Path) -> bool:
    """Whether the locked file is still the one of that name."""
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
