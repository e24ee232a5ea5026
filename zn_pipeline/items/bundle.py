"""Items that travel together: the folder of a batch job, and what runs in the job.

::

    manifest.json   digest of the call, keys, where results and checkpoints go
    call.bin        what is done with each item
    items.bin       the items
    begun           appears before the first item
    segments/       results, unless the store itself can be reached

``python -m zn_pipeline.items.bundle FOLDER`` computes them. It needs no driver and no network: each
result is in a segment before the next item begins.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from zn_pipeline.errors import PipelineError
from zn_pipeline.items.call import Call, digest_of
from zn_pipeline.items.records import Work
from zn_pipeline.items.runner import run_chunk
from zn_pipeline.items.segment import SegmentWriter
from zn_pipeline.items.values import decode, encode

MANIFEST = "manifest.json"
SEGMENTS = "segments"
BEGUN = "begun"
"""Appears once the bundle was read and its first item begins."""

DEADLINE = "ZN_DEADLINE"
"""Environment variable: when the job will be ended, in seconds since 1970."""


def write_bundle(
    folder: Path, payload: bytes, work: Sequence[Work], *, store: Path | None, scratch: str
) -> None:
    """Write all files of a bundle, the manifest last.

    Parameters
    ----------
    payload : what `Call.dump` gave
    work : the items
    store : folder of the item store, if the job can write there; else results stay in the bundle
    scratch : folder of checkpoints, from `folder` if it is relative
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "call.bin").write_bytes(payload)
    packed = [
        [w.key, w.structure, encode(w.item), w.seed, w.variant, w.step, w.attempts] for w in work
    ]
    items = encode(packed)
    (folder / "items.bin").write_bytes(items)
    manifest = {
        "call": digest_of(payload),
        "items": digest_of(items),
        "keys": [entry.key.hex() for entry in work],
        "python": list(sys.version_info[:2]),
        "store": None if store is None else str(store),
        "scratch": scratch,
    }
    part = folder / f".{MANIFEST}.part"
    part.write_text(json.dumps(manifest), encoding="utf-8")
    os.replace(part, folder / MANIFEST)


def read_keys(folder: Path) -> list[bytes]:
    """Return the keys of a bundle, [] if it was not written to its end."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return [bytes.fromhex(key) for key in manifest["keys"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def run_bundle(folder: Path) -> int:
    """Compute the items of a bundle; return how many were left for another job.

    Raises
    ------
    PipelineError
        If the bundle was made by another version of Python, or its files are not whole.
    """
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    if manifest["python"] != list(sys.version_info[:2]):
        made = ".".join(map(str, manifest["python"]))
        raise PipelineError(
            f"a job must run with the Python that made it, {made}, received "
            f'{platform.python_version()}; set python = "..." in the pool of pools.toml'
        )
    items = (folder / "items.bin").read_bytes()
    if digest_of(items) != manifest["items"]:
        raise PipelineError(f"{folder / 'items.bin'} must be as it was written; copy it again")
    call = Call.load((folder / "call.bin").read_bytes(), manifest["call"])
    work = [Work(*fields) for fields in decode(items)]
    for entry in work:
        entry.item = decode(entry.item)
    store = manifest["store"]
    scratch = (folder / manifest["scratch"]).resolve()
    writer = SegmentWriter(folder / SEGMENTS if store is None else Path(store) / SEGMENTS)
    deadline = _deadline()
    if deadline is not None and time.time() > deadline:
        raise PipelineError(
            "the walltime must be long enough to begin an item, but it is over; set "
            "walltime_minutes = ... in the pool of pools.toml"
        )
    (folder / BEGUN).touch()
    told = _Told()
    try:
        done = run_chunk(
            call.prepare(scratch),
            work,
            writer,
            scratch=scratch,
            deadline=deadline,
            go_on=lambda: not told.stop,
        )
    finally:
        writer.close()
    return len(work) - len({entry.origin for entry in done if entry.last})


def _deadline() -> float | None:
    text = os.environ.get(DEADLINE, "")
    return float(text) if text else None


class _Told:
    """Whether the job was told that its time is over; the item at hand is still finished."""

    def __init__(self) -> None:
        self.stop = False
        signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.stop = True


def main() -> None:
    """Compute the bundle in the folder given on the command line."""
    begin = time.monotonic()
    left = run_bundle(Path(sys.argv[1]).resolve())
    print(f"{left} items left after {time.monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main()
