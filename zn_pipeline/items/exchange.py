"""Segments that are done go to the DVC remote, and come from it; nothing is ever overwritten."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Protocol

from zn_pipeline.items.index import segment_files
from zn_pipeline.items.segment import SUFFIX, scan
from zn_pipeline.items.store import REMOVED, ItemStore


class RemoteFolder(Protocol):
    """A folder on a remote; `zn_pipeline.store.remote_files` has those of DVC."""

    def sizes(self) -> dict[str, int]:
        """Return the sizes of the files in it (bytes) by name."""
        ...

    def put(self, file: Path, name: str) -> None:
        """Upload a file."""
        ...

    def get(self, name: str, file: Path) -> None:
        """Download a file."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class ExchangeReport:
    """What was copied.

    Attributes
    ----------
    segments : names
    n_bytes : size of them together
    damaged : segments that were left out because a part of them cannot be read
    growing : segments that were left out because their writer may be at work
    """

    segments: tuple[str, ...]
    n_bytes: int
    damaged: tuple[str, ...] = ()
    growing: tuple[str, ...] = ()


def push(store: ItemStore, remote: RemoteFolder) -> ExchangeReport:
    """Upload the segments that are done and that the remote does not have."""
    store.refresh()
    there = remote.sizes()
    sent: dict[str, int] = {}
    damaged: list[str] = []
    growing: list[str] = []
    for name, segment in sorted(store.index.known().items()):
        if there.get(name) == segment.size:
            continue
        if store.may_grow(segment):
            growing.append(name)
        elif scan(store.segments / name).damaged:
            damaged.append(name)
        else:
            remote.put(store.segments / name, name)
            sent[name] = segment.size
    return ExchangeReport(tuple(sent), sum(sent.values()), tuple(damaged), tuple(growing))


def pull(store: ItemStore, remote: RemoteFolder) -> ExchangeReport:
    """Download the segments that are not here; they count once all of their bytes are checked.

    Segments that were thrown away here stay away.
    """
    here = {name: size for name, (size, _) in segment_files(store.segments)}
    gone = _removed(store)
    got: dict[str, int] = {}
    damaged: list[str] = []
    for name, size in sorted(remote.sizes().items()):
        unwanted = not name.endswith(SUFFIX) or Path(name).name != name or name in gone
        if unwanted or here.get(name, -1) >= size:
            continue
        store.segments.mkdir(parents=True, exist_ok=True)
        part = store.segments / f".{name}.{os.getpid()}.part"
        try:
            remote.get(name, part)
            if scan(part).damaged:
                damaged.append(name)
            else:
                os.replace(part, store.segments / name)
                got[name] = size
        finally:
            part.unlink(missing_ok=True)
    store.refresh()
    return ExchangeReport(tuple(got), sum(got.values()), tuple(damaged))


def _removed(store: ItemStore) -> set[str]:
    try:
        return set((store.folder / REMOVED).read_text(encoding="utf-8").split())
    except FileNotFoundError:
        return set()
