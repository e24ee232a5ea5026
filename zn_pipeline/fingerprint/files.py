"""Digests of the contents of files and folders, read once for each state of a file."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

_FRESH_NS = 2_000_000_000  # a file younger than this may change without a new time of change
_KNOWN: dict[str, tuple[tuple[int, int, int], str]] = {}


def content_digest(path: str | Path) -> str:
    """Return 32 hexadecimal digits for the content of a file, or of all files below a folder.

    The name of the file does not count; the names below a folder do. A file whose size, time of
    change and inode are as before is not read again.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        return _file_digest(path)
    digest = hashlib.blake2b(b"folder", digest_size=16)
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(f"\n{file.relative_to(path).as_posix()} {_file_digest(file)}".encode())
    return digest.hexdigest()


def _file_digest(path: Path) -> str:
    stat = path.stat()
    state = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    name = os.path.realpath(path)
    known = _KNOWN.get(name)
    if known is not None and known[0] == state:
        return known[1]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    if abs(time.time_ns() - stat.st_mtime_ns) > _FRESH_NS:
        _KNOWN[name] = (state, digest)
    return digest
