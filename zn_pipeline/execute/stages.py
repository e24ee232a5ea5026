"""Stages as they stand in ``dvc.yaml``, and the order between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from zn_pipeline.errors import CycleError, NodeNotFoundError
from zn_pipeline.naming import DVC_FILE, GRAPH_FILE, PARAMS_FILE, normalise, suggest
from zn_pipeline.records import Json
from zn_pipeline.serialize.block_yaml import load, reading


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    Attributes
    ----------
    params : keys read from each params file, None for the whole file
    outs : path -> whether it is kept in the cache
    ours : whether it runs a node; False for a stage of stock DVC
    """

    name: str
    cmd: str
    deps: tuple[str, ...]
    params: Mapping[str, tuple[str, ...] | None]
    outs: Mapping[str, bool]
    always_changed: bool
    frozen: bool
    ours: bool

    @classmethod
    def from_entry(cls, name: str, entry: Mapping[str, Json]) -> Stage:
        """Return the stage of an entry in ``dvc.yaml``."""
        params = _params(entry.get("params") or [])
        outs: dict[str, bool] = {}
        for section in ("outs", "metrics", "plots"):
            for item in entry.get(section) or []:
                if isinstance(item, dict):
                    for path, options in cast("dict[str, Json]", item).items():
                        outs[path] = (options or {}).get("cache", True)
                else:
                    outs[item] = True
        cmd = entry.get("cmd", "")
        return cls(
            name=name,
            cmd=cmd if isinstance(cmd, str) else "\n".join(cast("list[str]", cmd)),
            deps=tuple(entry.get("deps") or ()),
            params=params,
            outs=outs,
            always_changed=bool(entry.get("always_changed")),
            frozen=bool(entry.get("frozen")),
            ours=name in (params.get(GRAPH_FILE) or ()),
        )


def _params(items: Iterable[Json]) -> dict[str, tuple[str, ...] | None]:
    found: dict[str, list[str] | None] = {}
    for item in items:
        if isinstance(item, dict):
            for file, keys in cast("dict[str, Json]", item).items():
                found[file] = None if keys is None else [*(found.get(file) or []), *keys]
        else:
            found[PARAMS_FILE] = [*(found.get(PARAMS_FILE) or []), item]
    return {file: None if keys is None else tuple(keys) for file, keys in found.items()}


def read_stages(root: Path) -> dict[str, Stage]:
    """Return the stages of the ``dvc.yaml`` in a folder; none if there is no file."""
    file = root / DVC_FILE
    if not file.exists():
        return {}
    with reading(DVC_FILE):
        content = load(file.read_text(encoding="utf-8")) or {}
    entries = cast("dict[str, Json]", content.get("stages") or {})
    return {
        name: Stage.from_entry(name, entry)
        for name, entry in entries.items()
        if "do" not in entry  # foreach and matrix stages are left to stock DVC
    }


class StageGraph:
    """Which stage reads what which other stage writes.

    Attributes
    ----------
    upstream, downstream : names of the direct neighbours of each stage
    """

    def __init__(self, stages: Mapping[str, Stage]) -> None:
        self.stages = stages
        self.owners = {path: stage.name for stage in stages.values() for path in stage.outs}
        folders = self._folders_of_outputs()
        self.upstream: dict[str, set[str]] = {}
        self.downstream: dict[str, list[str]] = {name: [] for name in stages}
        for stage in stages.values():
            above: set[str] = set()
            for path in stage.deps:
                above |= self._producers(path, folders)
            above.discard(stage.name)
            self.upstream[stage.name] = above
            for name in above:
                self.downstream[name].append(stage.name)

    def _folders_of_outputs(self) -> dict[str, set[str]]:
        read = {path for stage in self.stages.values() for path in stage.deps}
        wanted = {path for path in read if path not in self.owners}
        folders: dict[str, set[str]] = {}
        if not wanted:
            return folders
        for path, owner in self.owners.items():
            folder = path
            while "/" in folder:
                folder = folder.rpartition("/")[0]
                if folder in wanted:
                    folders.setdefault(folder, set()).add(owner)
        return folders

    def _producers(self, path: str, folders: Mapping[str, set[str]]) -> set[str]:
        owner = self.owners.get(path)
        if owner is not None:
            return {owner}
        found = set(folders.get(path, ()))
        while "/" in path:
            path = path.rpartition("/")[0]
            if path in self.owners:
                found.add(self.owners[path])
        return found

    def select(self, targets: Iterable[str]) -> set[str]:
        """Return the targets and everything that they depend on; all stages if there is no target.

        Raises
        ------
        NodeNotFoundError
            If a target is no stage.
        """
        names = [normalise(target) for target in targets]
        if not names:
            return set(self.stages)
        chosen: set[str] = set()
        for name in names:
            if name not in self.stages:
                raise NodeNotFoundError(
                    f"a target must be a node or stage of dvc.yaml, received {name!r}"
                    f"{suggest(name, self.stages)}"
                )
        while names:
            name = names.pop()
            if name not in chosen:
                chosen.add(name)
                names.extend(self.upstream[name])
        return chosen

    def order(self) -> list[str]:
        """Return the stages so that each comes after those that it depends on.

        Raises
        ------
        CycleError
            If there is no such order; the message prints the cycle.
        """
        missing = {name: len(above) for name, above in self.upstream.items()}
        ready = [name for name, count in missing.items() if count == 0]
        order: list[str] = []
        for name in ready:
            order.append(name)
            for below in self.downstream[name]:
                missing[below] -= 1
                if missing[below] == 0:
                    ready.append(below)
        if len(order) < len(missing):
            raise CycleError(f"the graph must be acyclic, received the cycle {self._cycle(order)}")
        return order

    def _cycle(self, order: list[str]) -> str:
        left = set(self.stages) - set(order)
        path = [min(left)]
        while path[-1] not in path[:-1]:
            path.append(min(self.upstream[path[-1]] & left))
        return " -> ".join(reversed(path[path.index(path[-1]) :]))
