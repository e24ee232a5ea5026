"""Nodes to records: everything that is written about a node, computed once per build."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zn_pipeline.errors import CycleError, FieldError, NameCollisionError
from zn_pipeline.fingerprint.code import code_digest, import_path
from zn_pipeline.naming import (
    DVC_FILE,
    GRAPH_FILE,
    LOCK_FILE,
    PARAMS_FILE,
    WORK_ROOT,
    display_name,
    work_dir,
)
from zn_pipeline.node import Node, field_specs, place_paths, resolved_annotation, state_of
from zn_pipeline.records import FieldSpec, Json, Kind, NodeRecord, OutputSpec
from zn_pipeline.reference import Ref
from zn_pipeline.serialize.codecs import codec_for
from zn_pipeline.serialize.params import checked_param
from zn_pipeline.serialize.wires import Encoder

DONE_FILE = "done.json"
"""Marker output of a node that declares no outputs, so that others can depend on it."""

_TAKEN = frozenset({DVC_FILE, GRAPH_FILE, LOCK_FILE, PARAMS_FILE, "params.json", WORK_ROOT})
_NO_PLACE = frozenset({"", ".", ".git", ".dvc", ".gitignore", ".dvcignore"})


class Describer:
    """Makes the records of the nodes of one project.

    Parameters
    ----------
    root : folder of the project; nodes of its own earlier revisions are wired without it
    """

    def __init__(self, nodes: Iterable[Node], root: Path | None = None) -> None:
        self.root = root
        self.nodes = {id(node): node for node in nodes}
        self.records: dict[str, NodeRecord] = {}
        self._active: list[str] = []
        self._codes: dict[type, tuple[str, str]] = {}
        self._annotations: dict[tuple[type, str], Any] = {}
        self._suffixes: dict[tuple[type, str], str] = {}

    def describe_all(self) -> list[NodeRecord]:
        """Return the records in the order in which the nodes were made."""
        return [self.record(node) for node in list(self.nodes.values())]

    def record(self, node: Node) -> NodeRecord:
        """Return the record of a node; those that it depends on are made first."""
        stage = state_of(node).stage
        if stage in self.records:
            return self.records[stage]
        if stage in self._active:
            cycle = " -> ".join([*self._active[self._active.index(stage) :], stage])
            raise CycleError(f"the graph must be acyclic, received the cycle {cycle}")
        self._active.append(stage)
        record = self._make(node)
        self._active.pop()
        self.records[stage] = record
        return record

    def _make(self, node: Node) -> NodeRecord:
        state = state_of(node)
        shown = display_name(state.groups, node.__dict__["name"])
        draft = _Draft(work_dir(state.groups, node.__dict__["name"]))
        for spec in field_specs(type(node)).values():
            where = f"{shown}.{spec.name}"
            if spec.kind is Kind.PARAMS:
                self._add_param(draft, node, spec, where)
            elif spec.kind in (Kind.DEPS, Kind.DEPS_PATH):
                self._add_dependency(draft, node, spec, where)
            elif spec.kind is Kind.PARAMS_PATH:
                paths = _paths(node, spec, draft.folder, where)
                draft.param_files.extend(_as_list(paths))
                draft.paths[spec.name] = paths
            else:
                self._add_output(draft, node, spec, where)
        if not draft.outs:
            path = f"{draft.folder}/{DONE_FILE}"
            draft.outs.append(OutputSpec("", Kind.OUTS, path, cache=True))
        return self._finish(node, draft)

    def _finish(self, node: Node, draft: _Draft) -> NodeRecord:
        state = state_of(node)
        cls = type(node)
        if cls not in self._codes:
            self._codes[cls] = (import_path(cls), code_digest(cls))
        target, code = self._codes[cls]
        entry: dict[str, Json] = {"class": target, "code": code}
        if state.groups:
            entry["groups"] = list(state.groups)
        if draft.wires:
            entry["wires"] = draft.wires
        if draft.paths:
            entry["paths"] = draft.paths
        start = len(draft.folder) + 1
        inside = draft.folder + "/"
        entry["outs"] = {
            out.field: out.path[start:]
            for out in draft.outs
            if out.path.startswith(inside) and not out.kind.is_path and out.field
        }
        return NodeRecord(
            name=state.stage,
            groups=state.groups,
            params=draft.params,
            entry=entry,
            deps=tuple(sorted(set(draft.deps))),
            param_files=tuple(sorted(set(draft.param_files))),
            reads_params=_without_covered(draft.reads_params),
            reads_graph=tuple(sorted(set(draft.reads_graph))),
            outs=tuple(draft.outs),
            always_changed=node.__dict__.get("always_changed", False),
        )

    def _add_param(self, draft: _Draft, node: Node, spec: FieldSpec, where: str) -> None:
        value = node.__dict__[spec.name]
        if isinstance(value, (Ref, Node)):
            raise FieldError(
                f"{where} must be a plain value, received {value!r}; declare it by zn.deps()"
            )
        key = (type(node), spec.name)
        if key not in self._annotations:
            self._annotations[key] = resolved_annotation(type(node), spec)
        draft.params[spec.name] = checked_param(value, self._annotations[key], where)

    def _add_dependency(self, draft: _Draft, node: Node, spec: FieldSpec, where: str) -> None:
        value = state_of(node).inputs.get(spec.name)
        encoder = Encoder(self._locate, where)
        if spec.kind is Kind.DEPS_PATH:
            value = self._path_wires(draft, encoder, value, where, spec)
            if value is not None:
                draft.paths[spec.name] = value
        else:
            wire, values = encoder.encode(value)
            draft.wires[spec.name] = wire
            if values is not None:
                draft.params[spec.name] = values
        draft.deps.extend(encoder.files)
        for target, attribute in encoder.refs:
            self._read(draft, target, attribute)

    def _path_wires(
        self, draft: _Draft, encoder: Encoder, value: Any, where: str, spec: FieldSpec
    ) -> Json:
        if isinstance(value, (list, tuple)):
            return [self._path_wires(draft, encoder, item, where, spec) for item in value]
        if isinstance(value, Ref):
            target = field_specs(type(value.node)).get(value.attribute)
            if target is None or not (target.kind.is_path and target.kind.is_output):
                raise FieldError(
                    f"{where} must be a path or the outs_path field of a node, received {value!r}"
                )
            return encoder.encode(value)[0]
        if value is None:
            return None
        if not isinstance(value, str) and not hasattr(value, "__fspath__"):
            raise FieldError(f"{where} must be a path or a list of paths, received {value!r}")
        path: str = place_paths(value, draft.folder)
        draft.deps.append(path)
        return path

    def _read(self, draft: _Draft, target: Node, attribute: str | None) -> None:
        """Note files, params and code that a reference to ``target`` reads."""
        if id(target) not in self.nodes:  # a node of another revision never changes
            return
        record = self.record(target)
        spec = field_specs(type(target)).get(attribute or "")
        if spec is not None and spec.kind.is_output:
            draft.deps.extend(out.path for out in record.outs if out.field == attribute)
            return
        if spec is not None and spec.kind is Kind.PARAMS:
            draft.reads_params.append(f"{record.name}.{attribute}")
            return
        draft.deps.extend(out.path for out in record.outs)
        draft.deps.extend(record.deps)
        draft.param_files.extend(record.param_files)
        draft.reads_params.extend(record.reads_params)
        draft.reads_graph.extend((record.name, *record.reads_graph))
        if record.params:
            draft.reads_params.append(record.name)

    def _add_output(self, draft: _Draft, node: Node, spec: FieldSpec, where: str) -> None:
        options = spec.options
        if spec.kind.is_path:
            paths = _paths(node, spec, draft.folder, where)
            draft.paths[spec.name] = paths
            for path in _as_list(paths):
                out = OutputSpec(spec.name, spec.kind, path, options.cache, options.plot)
                draft.outs.append(out)
            return
        key = (type(node), spec.name)
        if key not in self._suffixes:
            self._suffixes[key] = codec_for(spec).suffix
        path = f"{draft.folder}/{spec.name}{self._suffixes[key]}"
        draft.outs.append(OutputSpec(spec.name, spec.kind, path, options.cache, options.plot))

    def _locate(self, node: Node, where: str) -> dict[str, Json]:
        state = state_of(node)
        if id(node) in self.nodes:
            return {"node": state.stage}
        address = getattr(state.source, "address", None)
        if address is None:
            raise FieldError(
                f"{where} must refer to a node of this project or of another revision, received "
                f"{node!r}, which was made outside; make it inside the project's with block"
            )
        place = address()
        if self.root is not None and place["remote"] == str(self.root):
            place["remote"] = None  # our own repository may be moved or cloned
        return {"node": state.stage, **place}


class _Draft:
    """What is collected while a record is made."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.params: dict[str, Json] = {}
        self.wires: dict[str, Json] = {}
        self.paths: dict[str, Json] = {}
        self.deps: list[str] = []
        self.param_files: list[str] = []
        self.reads_params: list[str] = []
        self.reads_graph: list[str] = []
        self.outs: list[OutputSpec] = []


def _paths(node: Node, spec: FieldSpec, folder: str, where: str) -> Json:
    value = state_of(node).inputs.get(spec.name)
    try:
        placed = place_paths(value, folder)
    except TypeError:
        raise FieldError(f"{where} must be a path or a list of paths, received {value!r}") from None
    return list(placed) if isinstance(placed, tuple) else placed


def _as_list(paths: Json) -> list[str]:
    return [] if paths is None else paths if isinstance(paths, list) else [paths]


def _without_covered(keys: list[str]) -> tuple[str, ...]:
    """Leave out ``Node.field`` where all of ``Node`` is read."""
    unique = set(keys)
    return tuple(sorted(k for k in unique if "." not in k or k.partition(".")[0] not in unique))


def check_paths(records: Iterable[NodeRecord]) -> None:
    """Make sure that nodes write inside the project, each at places of its own.

    Raises
    ------
    FieldError
        If a path leads out of the project, or belongs to Git, DVC or the project: what lies at the
        path of an output is removed before the node runs.
    NameCollisionError
        If two nodes write one path, or one into the folder of another or of its output; the
        message names both.
    """
    owners: dict[str, str] = {}
    folders: dict[str, str] = {}
    for record in records:
        own = record.name.removeprefix("_".join((*record.groups, "")))
        folders[work_dir(record.groups, own)] = record.name
        for out in record.outs:
            _check_place(out.path, f"{record.name}.{out.field}")
            if out.path in owners:
                raise NameCollisionError(
                    f"{record.name}.{out.field} must write a path of its own, received "
                    f"{out.path!r}, which {owners[out.path]} writes too"
                )
            owners[out.path] = f"{record.name}.{out.field}"
    for path, owner in owners.items():
        folder, name = path, owner.partition(".")[0]
        while "/" in folder:
            folder = folder.rpartition("/")[0]
            if folder in owners or folders.get(folder, name) != name:
                raise NameCollisionError(
                    f"{owner} must write a path of its own, received {path!r}, which lies inside "
                    f"{folder!r} of {owners.get(folder) or folders[folder]}"
                )


def _check_place(path: str, where: str) -> None:
    parts = path.split("/")
    if parts[0] in _NO_PLACE or ".." in parts or path in _TAKEN:
        raise FieldError(
            f"{where} must write a path inside the project's folder that is not one of "
            f"Git's, DVC's or the project's own, received {path!r}; use e.g. zn.nwd / 'name'"
        )
