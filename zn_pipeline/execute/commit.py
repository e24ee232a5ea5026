"""The single writer: results of workers become cache objects, index entries and ``dvc.lock``."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping

from zn_pipeline.execute.stages import Stage
from zn_pipeline.execute.worker import drop_records
from zn_pipeline.records import FileHash, Json, StageResult
from zn_pipeline.store.index import ResultIndex
from zn_pipeline.store.lockfile import LockFile
from zn_pipeline.store.locks import dvc_lock
from zn_pipeline.store.objects import HashState, ObjectCache, hash_path
from zn_pipeline.store.repository import Repository

FLUSH_SECONDS = 2.0


class Writer:
    """Commits finished stages; the lock file is written every few seconds and at the end."""

    def __init__(self, repository: Repository, lock: LockFile, state: HashState) -> None:
        self.repository = repository
        self.lock = lock
        self.state = state
        self.cache = ObjectCache(repository.cache, repository.link_types)
        self.index = ResultIndex(repository.cache)
        self._uncommitted: list[tuple[str, str]] = []
        self._flushed = time.monotonic()

    def commit(
        self, stage: Stage, expected: Mapping[str, Json], key: str | None, result: StageResult
    ) -> dict[str, FileHash]:
        """Take over the outputs of a finished node.

        Parameters
        ----------
        expected : inputs of the stage, as they stand in its lock entry
        key : name-free key of the inputs, None if the stage must not be reused

        Returns
        -------
        outs : content of each output
        """
        root = self.repository.root
        for path, content in result.outs.items():
            tree = result.trees.get(path)
            if stage.outs[path]:
                self.cache.add(root / path, content, tree)
            if tree is None:
                self.state.note(root / path, content.md5)
            else:
                for entry in tree:
                    self.state.note(root / path / entry["relpath"], entry["md5"])
        outs = dict(result.outs)
        entry = lock_entry(expected, outs)
        self._remember(stage, entry, key, outs)
        self.lock.set(stage.name, entry)
        self.retire(result)
        return outs

    def retire(self, result: StageResult) -> None:
        """Let go of the record and scratch folder of a run once ``dvc.lock`` is written."""
        self._uncommitted.append((result.name, result.key))

    def _remember(
        self,
        stage: Stage,
        entry: Mapping[str, Json],
        key: str | None,
        outs: Mapping[str, FileHash],
    ) -> None:
        if key is None or not all(stage.outs.values()):
            return
        prefix = common_folder(stage)
        self.index.put(key, {path[len(prefix) :]: content for path, content in outs.items()})
        self.index.put_run(entry)

    def refill(self, stage: Stage, outs: Mapping[str, FileHash]) -> None:
        """Put outputs that lie in place back into the cache, if it has lost them."""
        for path, content in outs.items():
            if stage.outs[path] and not self.cache.path(content.md5).exists():
                source = self.repository.root / path
                self.cache.add(source, *hash_path(source, self.state))

    def restore(
        self, stage: Stage, expected: Mapping[str, Json], outs: Mapping[str, FileHash]
    ) -> bool:
        """Put outputs of an earlier run in place; return whether all of them are in the cache."""
        if not all(stage.outs.values()) or not all(self.cache.has(c) for c in outs.values()):
            return False
        root = self.repository.root
        for path, content in outs.items():
            self.cache.checkout(content, root / path)
            hash_path(root / path, self.state)
        self.lock.set(stage.name, lock_entry(expected, outs))
        return True

    def earlier(
        self, stage: Stage, expected: Mapping[str, Json], key: str
    ) -> dict[str, FileHash] | None:
        """Return the outputs that these inputs gave before, under whatever name."""
        prefix = common_folder(stage)
        found = self.index.get(key)
        if found is not None:
            outs = {prefix + path: content for path, content in found.items()}
            if outs.keys() == stage.outs.keys():
                return outs
        wanted = {**expected, "outs": [{"path": path} for path in sorted(stage.outs)]}
        entry = self.index.get_run(wanted)
        if entry is None:
            return None
        contents = {out["path"]: FileHash.from_lock(out) for out in entry["outs"]}
        known = {path: content for path, content in contents.items() if content is not None}
        return known if known.keys() == stage.outs.keys() else None

    def flush(self, *, now: bool = False) -> None:
        """Write ``dvc.lock`` if it is time; the records of the workers have then served."""
        due = now or time.monotonic() - self._flushed > FLUSH_SECONDS
        if not due:
            return
        if self.lock.dirty:
            with dvc_lock(self.repository):
                self.lock.flush()
        drop_records(self.repository.tmp, [name for name, _ in self._uncommitted])
        for _, key in self._uncommitted:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self.repository.scratch(key))
        self._uncommitted.clear()
        self.index.flush()
        self.state.save()
        self._flushed = time.monotonic()


def lock_entry(expected: Mapping[str, Json], outs: Mapping[str, FileHash]) -> dict[str, Json]:
    """Return the whole entry of a stage in ``dvc.lock``."""
    return {**expected, "outs": [outs[path].lock_entry(path) for path in sorted(outs)]}


def common_folder(stage: Stage) -> str:
    """Return the work dir of a stage, with a slash, as far as its outputs show it."""
    parts = [path.split("/")[:-1] for path in stage.outs]
    shared: list[str] = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return "/".join(shared) + "/" if shared else ""
