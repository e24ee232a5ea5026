"""Values of nodes, read from a snapshot when they are first asked for; and ``from_rev``."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from zn_pipeline.errors import NodeNotFoundError, NotRunError, PipelineError, RemoteError
from zn_pipeline.naming import display_name, normalise, suggest, work_dir
from zn_pipeline.node import Node, as_path, load_node, resolved_annotation
from zn_pipeline.records import FieldSpec, Json, Kind
from zn_pipeline.serialize.codecs import codec_for
from zn_pipeline.serialize.params import restore
from zn_pipeline.serialize.wires import decode, import_object
from zn_pipeline.store.revisions import local_path, open_git
from zn_pipeline.store.snapshot import Revision, Snapshot, Workspace


class Source:
    """Loads the nodes of one snapshot; a value source for all of them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._nodes: dict[str, Node] = {}

    def address(self) -> dict[str, Json]:
        """Return remote and revision, by which another project can refer to these nodes."""
        address = self.snapshot.address
        if address["rev"] is None:
            raise PipelineError(
                f"a node that another project uses must be of a fixed revision, received one of "
                f"{self.snapshot.label}; load it by from_rev(..., rev='HEAD') or another commit"
            )
        return address

    def entry(self, stage: str) -> dict[str, Json]:
        """Return what the graph says of a node.

        Raises
        ------
        NodeNotFoundError
            If it has no such node; the message offers the nearest name.
        """
        graph = self.snapshot.graph
        if stage not in graph:
            hint = suggest(stage, graph) if graph else "; it holds no graph.json, or an empty one"
            raise NodeNotFoundError(f"{self.snapshot.label} has no node {stage!r}{hint}")
        return cast("dict[str, Json]", graph[stage])

    def node(self, stage: str) -> Node:
        """Return a node; the same object for the same name."""
        if stage not in self._nodes:
            self._nodes[stage] = self._load(stage)
        return self._nodes[stage]

    def _load(self, stage: str) -> Node:
        entry = self.entry(stage)
        cls = import_class(entry["class"])
        groups, name = self._place(stage)
        return load_node(cls, stage, groups, name, self)

    def _place(self, stage: str) -> tuple[tuple[str, ...], str]:
        groups = tuple(cast("list[str]", self.entry(stage).get("groups", [])))
        return groups, stage[len("_".join(groups)) + 1 :] if groups else stage

    def work_dir(self, name: str) -> str:
        """Return the work dir of a node as user code sees it."""
        return self.snapshot.shown(work_dir(*self._place(name)))

    def shown(self, path: str) -> str:
        """Return a path from the project's root as user code sees it."""
        return self.snapshot.shown(path)

    def _follow(self, wire: dict[str, Json]) -> Node:
        if "remote" in wire:  # None is the repository that the wire itself stands in
            remote = wire["remote"] or self.snapshot.address["remote"]
            return open_source(remote, wire["rev"]).node(wire["node"])
        return self.node(wire["node"])

    def value(self, name: str, spec: FieldSpec) -> Any:
        """Return the value of a field of node ``name``."""
        entry = self.entry(name)
        if spec.kind is Kind.PARAMS:
            return self._param(name, spec)
        if spec.kind is Kind.DEPS:
            wires = cast("dict[str, Json]", entry.get("wires", {}))
            key = self._stored_name(name, spec, wires)
            values = self.snapshot.params.get(name, {}).get(key)
            return decode(wires[key], values, self._follow)
        if spec.kind.is_path:
            return self._path(name, spec, entry)
        outs = cast("dict[str, Json]", entry.get("outs", {}))
        key = self._stored_name(name, spec, outs)
        file = f"{work_dir(*self._place(name))}/{outs[key]}"
        cls = import_class(entry["class"])
        codec = codec_for(spec, lambda: resolved_annotation(cls, spec))
        named = codec.load.__module__ != codec_for.__module__
        return codec.load(self._open(name, spec, file, named=named))

    def _open(self, name: str, spec: FieldSpec, file: str, *, named: bool) -> Path:
        try:
            return self.snapshot.open_path(name, file, named=named)
        except NotRunError as error:
            shown = display_name(*self._place(name))
            raise NotRunError(f"{shown}.{spec.name} does not exist yet: {error}") from None

    def _param(self, name: str, spec: FieldSpec) -> Any:
        values = cast("dict[str, Json]", self.snapshot.params.get(name) or {})
        cls = import_class(self.entry(name)["class"])
        key = self._stored_name(name, spec, values)
        annotation = resolved_annotation(cls, spec)
        try:
            return restore(values[key], annotation)
        except ValueError as error:
            raise PipelineError(
                f"{display_name(*self._place(name))}.{spec.name} must fit its annotation "
                f"{annotation}, received {values[key]!r} from the params file: {error}"
            ) from None

    def _path(self, name: str, spec: FieldSpec, entry: dict[str, Json]) -> Any:
        paths = cast("dict[str, Json]", entry.get("paths", {}))
        return as_path(self._real_path(name, spec, paths.get(spec.name)), spec)

    def _real_path(self, name: str, spec: FieldSpec, value: Json) -> Any:
        if isinstance(value, list):
            return [self._real_path(name, spec, item) for item in cast("list[Json]", value)]
        if isinstance(value, dict):
            return decode(value, None, self._follow)
        if value is None:
            return None
        if isinstance(self.snapshot, Revision) and spec.kind.is_output:
            return str(self._open(name, spec, value, named=True))
        return self.snapshot.shown(value)

    def _stored_name(self, name: str, spec: FieldSpec, stored: dict[str, Json]) -> str:
        """Return the name under which that revision stores a field: its own or an alias."""
        for key in (spec.name, *spec.options.aliases):
            if key in stored:
                return key
        cls = self.entry(name)["class"]
        raise PipelineError(
            f"{display_name(*self._place(name))}.{spec.name} is a field of the installed class "
            f"{cls}, but {self.snapshot.label} stores only {sorted(stored) or 'none'} of this "
            f"kind; if it had another name there, say so by aliases=(...) on the field"
        )


def import_class(path: str) -> type[Node]:
    """Return the node class of ``module:Class``; that of the running script if it is the module."""
    module, _, name = path.partition(":")
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file and Path(file).stem == module and hasattr(main, name.partition(".")[0]):
        found: Any = main
        for part in name.split("."):
            found = getattr(found, part)
        return cast("type[Node]", found)
    return cast("type[Node]", import_object(path))


def add_to_path(root: Path) -> None:
    """Let the modules of a project be imported, after everything that is installed."""
    if str(root) not in sys.path:
        sys.path.append(str(root))


@lru_cache(maxsize=64)
def workspace(root: Path) -> Workspace:
    """Return the workspace of a folder; one object for each."""
    return Workspace(root)


@lru_cache(maxsize=256)
def _revision(remote: str, commit: str) -> Revision:
    return Revision(open_git(remote), commit)


def open_source(remote: str | None, rev: str | None) -> Source:
    """Return a source of nodes.

    Parameters
    ----------
    remote : path or URL of a Git repository; None for the working directory's own
    rev : commit, tag, branch or DVC experiment; None for the files as they lie in a local
        repository, or for the default branch of a URL
    """
    folder = Path.cwd() if remote is None else local_path(os.fspath(remote))
    if rev is None and folder is not None and folder.is_dir() and _has_work_tree(folder):
        add_to_path(Path.cwd())
        return Source(workspace(folder.resolve()))
    if folder is not None and not folder.is_dir():
        raise RemoteError(f"remote must be a folder or URL, received {str(remote)!r}")
    place = str(folder.resolve()) if folder is not None else str(remote)
    repository = open_git(place)
    add_to_path(Path.cwd())
    return Source(_revision(place, repository.commit(rev or "HEAD")))


def _has_work_tree(folder: Path) -> bool:
    return not (folder / "HEAD").is_file()


def from_rev(name: str, remote: str | None = None, rev: str | None = None) -> Any:
    """Load a node of any revision of any repository; values are read when first asked for.

    Parameters
    ----------
    name : ``"group/Name"`` or ``"group_Name"``
    remote : path or URL of a Git repository; None for the working directory
    rev : commit, tag, branch or DVC experiment; None for the current files of a local repository,
        and the default branch of a URL

    Returns
    -------
    Node
        Of the class that is installed here. No code of the remote repository is executed.

    Raises
    ------
    NodeNotFoundError, RemoteError
        If there is no such node, revision or repository.
    NotRunError, DataMissingError
        Later, when an output is read that was not produced, or is found nowhere.
    """
    source = open_source(None if remote is None else os.fspath(remote), rev)
    return source.node(normalise(name))
