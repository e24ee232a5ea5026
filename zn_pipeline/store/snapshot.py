"""Read access to a project in one state: the workspace, or a Git revision of any repository.

A snapshot answers four questions: what does the graph say of a node, what are its params, what did
it produce, and where is that file. Everything is parsed once and shared.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Protocol, cast

from zn_pipeline.errors import DataMissingError, NotRunError
from zn_pipeline.naming import DVC_FILE, GRAPH_FILE, LOCK_FILE, PARAMS_FILE
from zn_pipeline.records import FileHash, Json
from zn_pipeline.serialize.block_yaml import load, reading
from zn_pipeline.store.lockfile import parse_lock
from zn_pipeline.store.objects import ObjectCache, hash_path, remove
from zn_pipeline.store.repository import Repository
from zn_pipeline.store.revisions import GitRepository, local_path, user_cache


class Snapshot(Protocol):
    """One state of one project."""

    @property
    def label(self) -> str:
        """What messages call it."""
        ...

    @property
    def graph(self) -> dict[str, Json]:
        """Content of ``graph.json``."""
        ...

    @property
    def params(self) -> dict[str, Json]:
        """Content of the params file."""
        ...

    @property
    def address(self) -> dict[str, Json]:
        """Remote and commit, by which a wire can name it."""
        ...

    def shown(self, path: str) -> str:
        """Return a path as user code sees it."""
        ...

    def open_path(self, stage: str, path: str, *, named: bool) -> Path:
        """Return a real path with the content of an output.

        Parameters
        ----------
        named : whether the file name matters (user code may look at the suffix)
        """
        ...


def _parse_params(name: str, text: str) -> dict[str, Json]:
    with reading(name):
        content = json.loads(text) if name.endswith(".json") else load(text)
    return cast("dict[str, Json]", content or {})


_USES_JSON = re.compile(r"\n    - graph\.json:\n(?:      - .*\n)+    - params\.json:\n")


def _params_file(dvc_text: str) -> str:
    """Return the params file that the nodes of a ``dvc.yaml`` use."""
    return "params.json" if _USES_JSON.search(dvc_text) else PARAMS_FILE


class Workspace:
    """The files as they lie in the project's folder now."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._graph: tuple[object, dict[str, Json]] = (None, {})
        self._params: tuple[object, dict[str, Json]] = (None, {})
        self._dvc: tuple[object, str] = (None, PARAMS_FILE)

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"the workspace {self.root}"

    @property
    def address(self) -> dict[str, Json]:
        """A workspace has no lasting address; its HEAD commit would be another state."""
        return {"remote": str(self.root), "rev": None}

    @property
    def graph(self) -> dict[str, Json]:
        """Content of ``graph.json``, parsed again only when the file has changed."""
        stamp = _stamp(self.root / GRAPH_FILE)
        if stamp != self._graph[0]:
            text = (self.root / GRAPH_FILE).read_text(encoding="utf-8") if stamp else "{}"
            with reading(GRAPH_FILE):
                self._graph = (stamp, json.loads(text))
        return self._graph[1]

    @property
    def params(self) -> dict[str, Json]:
        """Content of the params file, parsed again only when the file has changed."""
        file = self.root / self._params_name()
        stamp = _stamp(file)
        if stamp != self._params[0]:
            text = file.read_text(encoding="utf-8") if stamp else ""
            self._params = (stamp, _parse_params(file.name, text) if text else {})
        return self._params[1]

    def _params_name(self) -> str:
        stamp = _stamp(self.root / DVC_FILE)
        if stamp != self._dvc[0]:
            text = (self.root / DVC_FILE).read_text(encoding="utf-8") if stamp else ""
            self._dvc = (stamp, _params_file(text))
        return self._dvc[1]

    def shown(self, path: str) -> str:
        """Return the path from the project's root if that is the working directory."""
        return path if Path.cwd() == self.root else str(self.root / path)

    def open_path(self, stage: str, path: str, *, named: bool) -> Path:
        """Return the path of an output in the work dir."""
        del stage, named
        real = self.root / path
        if not real.exists():
            raise NotRunError(
                f"{path} does not exist in {self.label}; run 'zn-pipeline repro' (or 'dvc "
                "checkout', if it has been run before)"
            )
        return real


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        info = path.stat()
    except FileNotFoundError:
        return None
    return (info.st_mtime_ns, info.st_size, info.st_ino)


class Revision:
    """One commit of a Git repository; data comes from caches by hash, else from its DVC remote."""

    def __init__(self, git: GitRepository, commit: str) -> None:
        self.git = git
        self.commit = commit

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"revision {self.commit[:9]} of {self.git.url}"

    @property
    def address(self) -> dict[str, Json]:
        """Remote and commit."""
        return {"remote": self.git.url, "rev": self.commit}

    def _text(self, path: str) -> str:
        data = self.git.read(self.commit, path)
        return "" if data is None else data.decode("utf-8")

    @property
    def graph(self) -> dict[str, Json]:
        """Content of ``graph.json``."""
        return self._graph

    @property
    def params(self) -> dict[str, Json]:
        """Content of the params file."""
        return self._params

    @cached_property
    def _graph(self) -> dict[str, Json]:
        return json.loads(self._text(GRAPH_FILE) or "{}")

    @cached_property
    def _params(self) -> dict[str, Json]:
        name = _params_file(self._text(DVC_FILE))
        return _parse_params(name, self._text(name) or "{}")

    @cached_property
    def _lock(self) -> tuple[dict[str, str], dict[str, Json]]:
        return parse_lock(self._text(LOCK_FILE))

    def outputs(self, stage: str) -> dict[str, FileHash]:
        """Return the recorded contents of a stage by path."""
        texts, parsed = self._lock
        if stage not in parsed and stage in texts:
            stages = cast("dict[str, Json]", load("stages:\n" + texts[stage])["stages"])
            parsed[stage] = next(iter(stages.values()))
        outs = cast("list[dict[str, Json]]", (parsed.get(stage) or {}).get("outs", []))
        found = {out["path"]: FileHash.from_lock(out) for out in outs}
        return {path: content for path, content in found.items() if content is not None}

    def shown(self, path: str) -> str:
        """Return a path as it stands in that revision."""
        return path

    @cached_property
    def _caches(self) -> list[ObjectCache]:
        folders: list[Path] = []
        for start in (Path.cwd(), local_path(self.git.url)):
            if start is not None:
                try:
                    folders.append(Repository.find(start).cache)
                except Exception:  # noqa: BLE001 - a broken neighbour must not hide other caches
                    continue
        folders.append(user_cache() / "objects")
        return [ObjectCache(folder) for folder in dict.fromkeys(folders)]

    def open_path(self, stage: str, path: str, *, named: bool) -> Path:
        """Return a path with the content of an output, in a cache or fetched from the remote."""
        content = self.outputs(stage).get(path)
        cache = next((c for c in self._caches if content is not None and c.has(content)), None)
        if content is None or (cache is None and self.git.read(self.commit, path) is not None):
            return self._from_git(path)
        if cache is None:
            cache = self._fetch(path, content)
        if not named and not content.md5.endswith(".dir"):
            return cache.path(content.md5)
        place = hashlib.sha256(str(cache.folder).encode()).hexdigest()[:8]
        target = user_cache() / "checkout" / place / content.md5 / Path(path).name
        if not target.exists():
            part = target.with_name(f".{target.name}.{os.getpid()}.part")
            ObjectCache(cache.folder, ("symlink", "copy")).checkout(content, part)
            try:
                os.replace(part, target)
            except OSError:  # another process was first
                remove(part)
        return target

    def _from_git(self, path: str) -> Path:
        data = self.git.read(self.commit, path)
        if data is None:
            raise NotRunError(
                f"{path} has not been produced in {self.label}; run 'zn-pipeline repro' there and "
                "commit dvc.lock"
            )
        target = user_cache() / "git" / hashlib.sha256(data).hexdigest() / Path(path).name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.{os.getpid()}.part")
            part.write_bytes(data)
            os.replace(part, target)
        return target

    def _fetch(self, path: str, content: FileHash) -> ObjectCache:
        from dvc.api import DVCFileSystem  # pyright: ignore[reportPrivateUsage]

        cache = self._caches[0]
        with tempfile.TemporaryDirectory(prefix="zn-") as folder:
            target = Path(folder) / Path(path).name
            try:
                system = DVCFileSystem(self.git.location, rev=self.commit, subrepos=True)
                system.get(f"/{self.git.prefix}{path}", str(target), recursive=True)
                got, tree = hash_path(target)
            except Exception as error:
                raise DataMissingError(
                    f"the content of {path} in {self.label} must be in a cache or a DVC remote, "
                    f"received {type(error).__name__}: {error}; run 'dvc push' where it was made"
                ) from error
            if got.md5 != content.md5:
                raise DataMissingError(
                    f"the content of {path} in {self.label} must have md5 {content.md5}, received "
                    f"{got.md5}"
                )
            cache.add(target, got, tree)
        return cache
