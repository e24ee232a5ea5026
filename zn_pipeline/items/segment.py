"""Segments: files of records that only ever grow, each written by one process alone.

A record is one frame: a magic word, the checksum of the header, the header (length and checksum of
the body, and what the index wants to know), the body. Whatever happens to a file, each frame that
is whole is found again: behind damage the next magic word is looked for. A frame that ends too
early at the end of a file is what a killed writer leaves behind; it is no damage.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import re
import secrets
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from zn_pipeline.errors import DamagedError
from zn_pipeline.items.records import ItemRecord, Place

SUFFIX: Final = ".seg"
MAX_SEGMENT_BYTES: Final = 256 * 2**20
"""A writer goes on in a new segment beyond this size."""

FOREIGN_IDLE_SECONDS: Final = 86400.0
"""A segment of another machine that was not closed counts as dead after this time."""

MAGIC: Final = b"\xf9Zn\x01"
_HEADER: Final = struct.Struct("<IIBxHxxxxdd20s20s16s")
_PREFIX: Final = struct.Struct("<4sI")
FRAME_BYTES: Final = _PREFIX.size + _HEADER.size
"""Bytes of a frame in front of its body."""

OK, FAILED, RECIPE, END = 0, 1, 2, 3
STATUS: Final = {OK: "ok", FAILED: "failed", RECIPE: "recipe", END: "end"}
CODES: Final = {name: code for code, name in STATUS.items()}
_BLOCK: Final = 4 * 2**20
_MAX_ATTEMPTS: Final = 2**16 - 1


class Frame(NamedTuple):
    """What a segment tells of one record, without its body.

    Attributes
    ----------
    code : OK, FAILED, RECIPE or END
    offset, size : bytes of the whole frame in the file
    crc : checksum of the body
    added : time at which it was written, seconds since 1970
    """

    code: int
    offset: int
    size: int
    crc: int
    attempts: int
    seconds: float
    added: float
    key: bytes
    recipe: bytes
    structure: bytes


@dataclasses.dataclass(slots=True)
class Scan:
    """What lies in a segment, or in a part of it.

    Attributes
    ----------
    frames : records that are whole, in the order of the file
    end : where the last whole record ends; a later scan goes on there
    damaged : ranges of bytes in which nothing could be read, as (start, end)
    torn : bytes of an unfinished record at the end
    """

    frames: list[Frame]
    end: int
    damaged: list[tuple[int, int]]
    torn: int = 0

    @property
    def closed(self) -> bool:
        """Whether the writer said that it is done with the file."""
        return bool(self.frames) and self.frames[-1].code == END


@functools.cache
def machine() -> str:
    """Return the name under which this machine writes: unlike for another boot or container."""
    parts: list[str] = []
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    digest = hashlib.blake2b("".join(parts).encode(), digest_size=4).hexdigest()
    host = re.sub(r"[^A-Za-z0-9]+", "_", socket.gethostname())[:40] or "host"
    return f"{host}.{digest}"


def is_running(pid: int) -> bool:
    """Whether a process of this machine is alive; one that nobody has waited for yet is not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
    return True


def may_grow(path: Path) -> bool:
    """Whether the writer of a segment, which did not close it, may still be at work."""
    try:
        place, pid, _ = path.stem.rsplit("-", 2)
        if place == machine():
            return is_running(int(pid))
    except ValueError:
        pass
    try:
        return time.time() - path.stat().st_mtime < FOREIGN_IDLE_SECONDS
    except OSError:
        return False


def pack(record: ItemRecord, added: float) -> bytes:
    """Return the frame of a record.

    Raises
    ------
    ValueError
        If key, recipe or structure do not have 20, 20 and 16 bytes.
    """
    body = record.body
    if len(record.key) != 20 or len(record.recipe) != 20 or len(record.structure) != 16:
        raise ValueError(
            "key, recipe and structure of a record must have 20, 20 and 16 bytes, received "
            f"{len(record.key)}, {len(record.recipe)} and {len(record.structure)}"
        )
    if len(body) >= 2**32:
        raise ValueError(
            f"the result of one item must be smaller than 4 GiB, received {len(body)} bytes; "
            "return less, or write files and return their paths"
        )
    header = _HEADER.pack(
        len(body),
        zlib.crc32(body),
        CODES[record.status],
        min(record.attempts, _MAX_ATTEMPTS),
        record.seconds,
        added,
        record.key,
        record.recipe,
        record.structure,
    )
    return b"".join((MAGIC, zlib.crc32(header).to_bytes(4, "little"), header, body))


class SegmentWriter:
    """Appends records to a file of its own; survives forks, threads and being killed.

    Parameters
    ----------
    folder : where segments lie; the file is made by the first record

    Notes
    -----
    A record is handed to the system in one write, so that a process that dies loses at most the
    record that it is writing. Nothing waits for the disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = ""
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._file = -1
        self._size = 0

    def append(self, record: ItemRecord) -> Place:
        """Write a record; return where it lies.

        Raises
        ------
        OSError
            If the disk is full or cannot be written to; the segment stays whole.
        """
        return self.append_frame(pack(record, time.time()))

    def append_frame(self, frame: bytes) -> Place:
        """Write a record that is packed already; return where it lies."""
        if self._pid != os.getpid():
            self._leave()
        with self._lock:
            if self._size >= MAX_SEGMENT_BYTES:
                self._close()
            if self._file < 0:
                self._open()
            offset = self._size
            self._write(frame)
            return Place(self.name, offset, len(frame))

    def close(self) -> None:
        """Say that nothing more will come; the next record begins a new segment."""
        if self._pid != os.getpid():
            self._leave()
        with self._lock:
            self._close()

    def _leave(self) -> None:
        """Let go of the file of the process that this one was forked from."""
        if self._file >= 0:
            os.close(self._file)
        self._reset()

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = f"{machine()}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(self.folder / self.name, flags, 0o666)
        self._size = 0

    def _write(self, frame: bytes) -> None:
        try:
            written = os.write(self._file, frame)
            while written < len(frame):  # a full disk, or more than 2 GiB
                written += os.write(self._file, memoryview(frame)[written:])
        except OSError:
            try:
                os.ftruncate(self._file, self._size)
            except OSError:
                os.close(self._file)
                self._file = -1
            raise
        self._size += len(frame)

    def _close(self) -> None:
        if self._file < 0:
            return
        with contextlib.suppress(OSError):
            self._write(pack(ItemRecord(bytes(20), bytes(20), bytes(16), "end", b""), time.time()))
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
        self._size = 0


def scan(path: Path, start: int = 0, end: int | None = None) -> Scan:
    """Read the headers of a segment and check all of its bytes.

    Parameters
    ----------
    start : offset to begin at, the end of an earlier scan
    end : size of the file that is taken into account
    """
    size = path.stat().st_size if end is None else end
    found = Scan([], start, [])
    at = start
    with path.open("rb") as file:
        for frame in _frames(file, start, size):
            if frame.offset > at:
                found.damaged.append((at, frame.offset))
            at = frame.offset + frame.size
            found.frames.append(frame)
        found.end = at
        if at < size:
            file.seek(at)
            head = file.read(min(FRAME_BYTES, size - at))
            if _is_torn(head, size - at):
                found.torn = size - at
            else:
                found.damaged.append((at, size))
    return found


def _is_torn(head: bytes, size: int) -> bool:
    """Whether the last bytes of a file are the beginning of a frame that was not finished."""
    if not head.strip(b"\0"):
        return True
    if not (MAGIC.startswith(head[:4]) or head.startswith(MAGIC)):
        return False
    header = read_header(head)
    return len(head) < FRAME_BYTES or (header is not None and header.size > size)


def read_header(data: bytes | memoryview, at: int = 0, offset: int = 0) -> Frame | None:
    """Return the header of a frame in `data`, None if it is not whole.

    Parameters
    ----------
    offset : where `data` begins in the file
    """
    if len(data) - at < FRAME_BYTES or data[at : at + 4] != MAGIC:
        return None
    if zlib.crc32(data[at + 8 : at + FRAME_BYTES]) != _PREFIX.unpack_from(data, at)[1]:
        return None
    length, crc, code, *rest = _HEADER.unpack_from(data, at + 8)
    return Frame(code, offset + at, FRAME_BYTES + length, crc, *rest)


def _frames(file: BinaryIO, start: int, size: int) -> Iterator[Frame]:
    """Yield the whole frames from `start` on, reading block by block."""
    data, base, at, wanted = b"", start, 0, _BLOCK
    while base + at + FRAME_BYTES <= size:
        frame = read_header(data, at, base)
        if frame is not None and at + frame.size <= len(data):
            body = memoryview(data)[at + FRAME_BYTES : at + frame.size]
            if zlib.crc32(body) == frame.crc:
                yield frame
            # The header is whole: what comes after a damaged body is known.
            at += frame.size
            continue
        complete = base + len(data) >= size
        whole_header = len(data) - at >= FRAME_BYTES
        if whole_header and (frame is None or complete):
            found = data.find(MAGIC, at + 1)
            at = found if found >= 0 else max(at + 1, len(data) - 3)
            continue
        base, at = base + at, 0
        wanted = max(_BLOCK, frame.size if frame is not None else 0)
        file.seek(base)
        wanted = min(wanted, size - base)
        data = file.read(wanted)
        if len(data) < wanted:  # the file has become shorter
            size = base + len(data)


def check(data: bytes, place: Place) -> tuple[Frame, memoryview]:
    """Return header and body of a frame that was read from its place.

    Raises
    ------
    DamagedError
        If it is not what was written.
    """
    frame = read_header(data, 0, place.offset)
    body = memoryview(data)[FRAME_BYTES:]
    if frame is None or frame.size != len(data) or zlib.crc32(body) != frame.crc:
        raise DamagedError(
            f"the record in {place.segment} at byte {place.offset} must be whole, but its checksum "
            "does not fit; it counts as not done"
        )
    return frame, body
