"""``dvc.lock``: what was made from what. Read once, changed in memory, written in batches."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from zn_pipeline.naming import LOCK_FILE
from zn_pipeline.records import Json
from zn_pipeline.serialize.block_yaml import dump, load, reading
from zn_pipeline.serialize.dvc_yaml import split_stages
from zn_pipeline.store.repository import write_atomic

_HEADER = "schema: '2.0'\n"


class LockFile:
    """The entries of ``dvc.lock``; entries that are not asked for are never parsed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int] | None = None
        self._texts: dict[str, str] = {}
        self._entries: dict[str, Json] = {}
        self._pending: dict[str, Json | None] = {}
        self.reload()

    def reload(self) -> None:
        """Read the file again if it has changed; entries that wait to be written stay."""
        try:
            info = self.path.stat()
        except FileNotFoundError:
            self._stamp, self._texts, self._entries = None, {}, {}
            return
        stamp = (info.st_mtime_ns, info.st_size)
        if stamp != self._stamp:
            self._stamp = stamp
            self._texts, self._entries = parse_lock(self.path.read_text(encoding="utf-8"))

    def entry(self, name: str) -> Json | None:
        """Return the entry of a stage, None if it has none."""
        if name in self._pending:
            return self._pending[name]
        if name not in self._entries:
            text = self._texts.get(name)
            if text is None:
                return None
            stages = load("stages:\n" + text)["stages"]
            self._entries[name] = next(iter(cast("dict[str, Json]", stages).values()))
        return self._entries[name]

    def names(self) -> set[str]:
        """Return the names of all stages that have an entry."""
        known = set(self._texts) | set(self._entries) | set(self._pending)
        return {name for name in known if self._pending.get(name, True) is not None}

    def set(self, name: str, entry: Json) -> None:
        """Change an entry; it is written by the next :meth:`flush`."""
        self._pending[name] = entry

    def drop(self, names: Iterable[str]) -> None:
        """Remove entries; they leave the file by the next :meth:`flush`."""
        for name in names:
            self._pending[name] = None

    @property
    def dirty(self) -> bool:
        """Whether entries wait to be written."""
        return bool(self._pending)

    def flush(self) -> None:
        """Write the file in one step. The caller holds DVC's repository lock."""
        if not self._pending:
            return
        self.reload()
        for name, entry in self._pending.items():
            if entry is None:
                self._texts.pop(name, None)
                self._entries.pop(name, None)
            else:
                self._entries[name] = entry
                self._texts[name] = dump({name: entry}, indent=2)
        self._pending.clear()
        write_atomic(self.path, _HEADER + "stages:\n" + "".join(self._texts.values()))
        info = self.path.stat()
        self._stamp = (info.st_mtime_ns, info.st_size)


def parse_lock(text: str) -> tuple[dict[str, str], dict[str, Json]]:
    """Split the text of a ``dvc.lock`` by stage, or parse it where it is not plain block YAML.

    Returns
    -------
    texts, entries : text of each stage; entries of those that had to be parsed
    """
    start = text.find("stages:\n")
    header, block = text[: max(start, 0)], text[max(start, 0) :]
    if start >= 0 and all(line.startswith(("schema:", "#")) for line in header.splitlines()):
        texts = split_stages(block)
        if texts is not None:
            return texts, {}
    with reading(LOCK_FILE):
        content = load(text) or {}
    if not isinstance(content, dict):
        raise ValueError("dvc.lock must hold a mapping")
    entries = cast("dict[str, Json]", cast("dict[str, Json]", content).get("stages") or {})
    return {name: dump({name: entry}, indent=2) for name, entry in entries.items()}, dict(entries)
