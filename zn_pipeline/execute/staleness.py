"""Whether a stage is up to date, why not, and whether the same was computed before."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from zn_pipeline.errors import PipelineError
from zn_pipeline.execute.stages import Stage, StageGraph
from zn_pipeline.fingerprint.values import digest
from zn_pipeline.naming import GRAPH_FILE
from zn_pipeline.records import FileHash, Json
from zn_pipeline.serialize.block_yaml import load, reading
from zn_pipeline.serialize.wires import map_references
from zn_pipeline.store.objects import HashState, hash_path


class Inputs:
    """Current values of all that stages read: params files, files, outputs of other stages.

    Parameters
    ----------
    root : project's root
    graph : content of ``graph.json``
    state : what is known of the hashes of files
    """

    def __init__(
        self, root: Path, stages: StageGraph, graph: Mapping[str, Json], state: HashState
    ) -> None:
        self.root = root
        self.stages = stages
        self.graph = graph
        self.state = state
        self.produced: dict[str, FileHash] = {}
        self._files: dict[str, Json] = {GRAPH_FILE: graph}
        self._through: dict[str, str] = {}

    def file(self, path: str) -> FileHash:
        """Return the content of a dependency.

        Raises
        ------
        PipelineError
            If there is no such file.
        """
        known = self.produced.get(path)
        if known is not None:
            return known
        try:
            return hash_path(self.root / path, self.state)[0]
        except FileNotFoundError:
            hint = ""
            if (self.root / f"{path}.dvc").exists():
                hint = "; it is tracked by DVC, run 'dvc pull' or 'dvc checkout'"
            raise PipelineError(
                f"the dependency {path} must exist, but there is none{hint}"
            ) from None

    def params(self, file: str) -> dict[str, Json]:
        """Return the content of a params file."""
        if file not in self._files:
            try:
                text = (self.root / file).read_text(encoding="utf-8")
            except FileNotFoundError:
                raise PipelineError(
                    f"the params file {file} must exist, but there is none"
                ) from None
            with reading(file):
                self._files[file] = _parse(file, text)
        return cast("dict[str, Json]", self._files[file])

    def expected(self, stage: Stage) -> dict[str, Json]:
        """Return the part of the lock entry that states the inputs: cmd, deps, params."""
        entry: dict[str, Json] = {"cmd": stage.cmd}
        if stage.deps:
            entry["deps"] = [self.file(path).lock_entry(path) for path in sorted(stage.deps)]
        params: dict[str, Json] = {}
        for file, keys in sorted(stage.params.items()):
            content = self.params(file)
            if keys is None:
                params[file] = content
            else:
                params[file] = {key: _lookup(content, key, file, stage) for key in sorted(keys)}
        if params:
            entry["params"] = params
        return entry

    def content_key(self, stage: Stage, expected: Mapping[str, Json]) -> str:
        """Return the digest of a node's inputs without any name of a node."""
        whole_files = {f: expected["params"][f] for f, k in stage.params.items() if k is None}
        described = self._described(stage.name)
        return digest({**described, "param_files": list(whole_files.values())})

    def _described(self, name: str) -> dict[str, Json]:
        entry = cast("dict[str, Json]", self.graph[name])
        stage = self.stages.stages[name]
        paths = cast("dict[str, Json]", entry.get("paths", {}))
        work_dir = _work_dir(name, entry)
        return {
            "code": entry["code"],
            "params": self._own_params(stage),
            "wires": {
                field: map_references(wire, self._nameless)
                for field, wire in cast("dict[str, Json]", entry.get("wires", {})).items()
            },
            "files": self._files_of_specs(stage, paths),
            "paths": {key: self._nameless_path(path, stage) for key, path in paths.items()},
            "outs": sorted(_inside(path, work_dir) for path in stage.outs),
        }

    def _files_of_specs(self, stage: Stage, paths: Mapping[str, Json]) -> dict[str, Json]:
        """Return the contents of files that no node writes and no path field names."""
        named = json.dumps(list(paths.values()))
        own = [p for p in stage.deps if p not in self.stages.owners and json.dumps(p) not in named]
        return {path: self.file(path).md5 for path in own}

    def _own_params(self, stage: Stage) -> Json:
        for file, keys in stage.params.items():
            if keys and stage.name in keys and file != GRAPH_FILE:
                return self.params(file).get(stage.name)
        return None

    def _nameless_path(self, path: Json, stage: Stage) -> Json:
        if isinstance(path, list):
            return [self._nameless_path(item, stage) for item in cast("list[Json]", path)]
        if isinstance(path, dict):
            return self._nameless(path)
        if path in stage.outs:
            return _inside(path, _work_dir(stage.name, self.graph[stage.name]))
        if path in stage.deps:
            return {"content": self.file(path).md5}
        return path

    def _nameless(self, wire: dict[str, Json]) -> Json:
        """Replace the name of a node by the content that is read from it."""
        if "remote" in wire:
            return wire
        name = cast("str", wire["node"])
        get = cast("list[Json]", wire.get("get", []))
        entry = cast("dict[str, Json]", self.graph[name])
        stage = self.stages.stages[name]
        attribute = cast("str", get[0]) if get else ""
        own = self._own_params(stage) or {}
        if attribute in entry.get("outs", {}):
            file = entry["outs"][attribute]
            path = f"{_work_dir(name, entry)}/{file}"
            return {"content": self.file(path).md5, "file": file, "get": get[1:]}
        written = entry.get("paths", {}).get(attribute)
        if isinstance(written, str) and written in stage.outs:
            return {"content": self.file(written).md5, "get": get[1:]}
        if attribute in own and attribute not in entry.get("wires", {}):
            return {"value": own[attribute], "get": get[1:]}
        return {"through": self._through_key(name), "get": get}

    def _through_key(self, name: str) -> str:
        if name not in self._through:
            outs = self.stages.stages[name].outs
            work_dir = _work_dir(name, self.graph[name])
            hashes = {_inside(path, work_dir): self.file(path).md5 for path in outs}
            self._through[name] = digest([self._described(name), hashes])
        return self._through[name]


def _work_dir(name: str, entry: Mapping[str, Json]) -> str:
    groups = cast("list[str]", entry.get("groups", []))
    own = name[len("_".join(groups)) + 1 :] if groups else name
    return "/".join(("outs", *groups, own))


def _inside(path: str, work_dir: str) -> str:
    return path[len(work_dir) + 1 :] if path.startswith(work_dir + "/") else path


def _parse(file: str, text: str) -> Json:
    if file.endswith(".json"):
        return json.loads(text)
    if file.endswith(".toml"):
        return tomllib.loads(text)
    return load(text) or {}


def _lookup(content: Json, key: str, file: str, stage: Stage) -> Json:
    if isinstance(content, dict) and key in content:
        return cast("dict[str, Json]", content)[key]
    value: Any = content
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise PipelineError(
                f"{file} must hold {key!r}, which {stage.name} reads, but it does not; build again"
            )
        value = cast("dict[str, Any]", value)[part]
    return value


def reasons(
    stage: Stage, expected: Mapping[str, Json], entry: Mapping[str, Json] | None
) -> list[str]:
    """Return what differs between the inputs of a stage and those of its last run.

    An empty list says that the inputs are unchanged. The lines are meant for people:
    ``"param a: 1 -> 2"``, ``"file data.xyz changed"``, ``"code of my_nodes:Add changed"``.
    """
    if entry is None:
        return ["never run"]
    found: list[str] = []
    if entry.get("cmd") != expected["cmd"]:
        found.append("command changed")
    old_deps = {dep["path"]: dep.get("md5") for dep in entry.get("deps", [])}
    new_deps = {dep["path"]: dep["md5"] for dep in expected.get("deps", [])}
    for path in sorted(old_deps.keys() | new_deps.keys()):
        if path not in old_deps:
            found.append(f"file {path} is a new dependency")
        elif path not in new_deps:
            found.append(f"file {path} is no dependency any more")
        elif old_deps[path] != new_deps[path]:
            found.append(f"file {path} changed")
    old_params = cast("dict[str, Json]", entry.get("params", {}))
    new_params = cast("dict[str, Json]", expected.get("params", {}))
    for file in sorted(old_params.keys() | new_params.keys()):
        old, new = old_params.get(file) or {}, new_params.get(file) or {}
        if file == GRAPH_FILE:
            found.extend(_graph_reasons(old, new))
        else:
            found.extend(_param_reasons(old, new, ""))
    return found


def _param_reasons(old: Json, new: Json, where: str) -> list[str]:
    if old == new:
        return []
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [f"param {where}: {_brief(old)} -> {_brief(new)}"]
    before, after = cast("dict[str, Json]", old), cast("dict[str, Json]", new)
    found: list[str] = []
    for key in [*after, *(key for key in before if key not in after)]:
        inner = f"{where}.{key}" if where else key
        found.extend(_param_reasons(before.get(key), after.get(key), inner))
    return found


def _graph_reasons(old: Mapping[str, Json], new: Mapping[str, Json]) -> list[str]:
    found: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name) or {}, new.get(name) or {}
        if before == after:
            continue
        if before.get("class") != after.get("class"):
            found.append(f"class of {name}: {before.get('class')} -> {after.get('class')}")
        elif before.get("code") != after.get("code"):
            found.append(f"code of {after.get('class')} changed")
        wires = cast("dict[str, Json]", after.get("wires", {}))
        old_wires = cast("dict[str, Json]", before.get("wires", {}))
        for field in sorted(wires.keys() | old_wires.keys()):
            if wires.get(field) != old_wires.get(field):
                found += [f"wire {name}.{field} changed"]
        if before.get("paths") != after.get("paths") or before.get("outs") != after.get("outs"):
            found.append(f"paths of {name} changed")
    return found


def _brief(value: Json) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def outputs_in_place(
    stage: Stage, entry: Mapping[str, Json], root: Path, state: HashState
) -> dict[str, FileHash] | None:
    """Return the outputs of a stage if all lie in place as its lock entry says, else None."""
    recorded = recorded_outputs(stage, entry)
    if recorded is None:
        return None
    for path, content in recorded.items():
        try:
            if hash_path(root / path, state)[0].md5 != content.md5:
                return None
        except OSError:
            return None
    return recorded


def recorded_outputs(stage: Stage, entry: Mapping[str, Json]) -> dict[str, FileHash] | None:
    """Return the outputs that a lock entry states, None if they are not those of the stage."""
    found = {out["path"]: FileHash.from_lock(out) for out in entry.get("outs", [])}
    recorded = {path: content for path, content in found.items() if content is not None}
    return recorded if recorded.keys() == stage.outs.keys() else None
