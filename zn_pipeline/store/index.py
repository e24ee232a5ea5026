"""Results by what they were made from, without names: what lets a renamed node be restored.

The index is one file in the DVC cache to which lines are added, so that branches, experiments and
clones that share a cache share results too. DVC's own run-cache, in which names count, is written
beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import cast

from zn_pipeline.records import FileHash, Json
from zn_pipeline.serialize.block_yaml import load


class ResultIndex:
    """Outputs of a node by the key of its inputs.

    Parameters
    ----------
    cache : folder of the DVC cache
    """

    def __init__(self, cache: Path) -> None:
        self._file = cache / "zn_pipeline" / "results.tsv"
        self._runs = cache / "runs"
        self._made: set[str] = set()
        self._pending: list[str] = []

    @cached_property
    def _known(self) -> dict[str, str]:
        """JSON text of the outputs by key; the first line of a key counts."""
        known: dict[str, str] = {}
        with contextlib.suppress(FileNotFoundError):
            for line in self._file.read_text(encoding="utf-8", errors="replace").splitlines():
                key, tab, text = line.partition("\t")
                if tab:
                    known.setdefault(key, text)
        return known

    def put(self, key: str, outs: Mapping[str, FileHash]) -> None:
        """Remember the outputs (by their path inside the work dir) that a key gave.

        The file has them after :meth:`flush`.
        """
        if key in self._known:
            return
        text = json.dumps({name: content.lock_entry(name) for name, content in outs.items()})
        self._known[key] = text
        self._pending.append(f"{key}\t{text}\n")

    def flush(self) -> None:
        """Add what is new to the file, in one write."""
        if not self._pending:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # The line break in front ends a line that was cut off by a kill.
        data = ("\n" + "".join(self._pending)).encode()
        with self._file.open("ab", buffering=0) as file:
            file.write(data)
        self._pending.clear()

    def get(self, key: str) -> dict[str, FileHash] | None:
        """Return the outputs that a key gave before, None if it is new."""
        try:
            entries = cast("dict[str, Json]", json.loads(self._known[key]))
        except (KeyError, ValueError):
            return None
        found = {name: FileHash.from_lock(entry) for name, entry in entries.items()}
        return {name: content for name, content in found.items() if content is not None}

    def put_run(self, entry: Mapping[str, Json]) -> None:
        """Add an entry to DVC's run-cache, so that stock DVC can restore it as well."""
        key = run_key(entry)
        value = _sha256(dict(entry))
        self._write(self._runs / key[:2] / key / value, json.dumps(entry))

    def get_run(self, entry: Mapping[str, Json]) -> Json | None:
        """Return the newest run-cache entry with these inputs and output paths."""
        key = run_key(entry)
        folder = self._runs / key[:2] / key
        with contextlib.suppress(FileNotFoundError, ValueError):
            files = [Path(item.path) for item in os.scandir(folder)]
            newest = max(files, key=lambda file: file.stat().st_mtime)
            return load(newest.read_text(encoding="utf-8"))
        return None

    def _write(self, path: Path, text: str) -> None:
        if path.exists():
            return
        folder = str(path.parent)
        if folder not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)


def run_key(entry: Mapping[str, Json]) -> str:
    """Return DVC's run-cache key of a lock entry: inputs and the paths of the outputs."""
    outs = [out["path"] for out in entry.get("outs", [])]
    return _sha256({**entry, "outs": outs})


def _sha256(entry: Mapping[str, Json]) -> str:
    return hashlib.sha256(json.dumps(_without_sizes(entry), sort_keys=True).encode()).hexdigest()


def _without_sizes(value: Json) -> Json:
    if isinstance(value, (dict,)):
        items = cast("dict[str, Json]", value).items()
        return {k: _without_sizes(v) for k, v in items if k not in ("size", "nfiles")}
    if isinstance(value, list):
        return [_without_sizes(item) for item in cast("list[Json]", value)]
    return value
