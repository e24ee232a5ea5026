"""A project: the block in which nodes are made, and what can be done with them afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Token
from functools import cached_property
from pathlib import Path
from typing import Any

from zn_pipeline.errors import BuildError, NodeFailedError
from zn_pipeline.execute.dask import DaskExecutor
from zn_pipeline.execute.display import LiveDisplay
from zn_pipeline.execute.protocol import Display, Executor
from zn_pipeline.execute.session import Session, StageStatus
from zn_pipeline.execute.stages import Stage, read_stages
from zn_pipeline.naming import (
    DVC_FILE,
    GRAPH_FILE,
    PARAMS_FILE,
    POOLS_FILE,
    WORK_ROOT,
    NameRegistry,
    check_name,
)
from zn_pipeline.node import ACTIVE, Node, Registry, field_specs, state_of
from zn_pipeline.records import Json, Kind, NodeRecord, RunReport
from zn_pipeline.resources import Resources
from zn_pipeline.serialize.block_yaml import load, reading
from zn_pipeline.serialize.describe import Describer, check_paths
from zn_pipeline.serialize.dvc_yaml import (
    ForeignParts,
    dvc_text,
    graph_text,
    params_text,
    stage_entry,
)
from zn_pipeline.serialize.wires import IMPORTING
from zn_pipeline.store.repository import git_tracked, write_atomic
from zn_pipeline.store.source import Source, add_to_path, workspace

BUILD_ONLY = "ZN_PIPELINE_BUILD_ONLY"
"""Environment variable under which ``repro`` builds and does not run."""


class Group:
    """A named part of a project; its nodes lie in a folder of that name."""

    def __init__(self, names: tuple[str, ...], nodes: dict[str, Node]) -> None:
        self.names = names
        self._nodes = nodes

    @property
    def nodes(self) -> dict[str, Node]:
        """Nodes of this group (not of groups inside it) by name."""
        return {
            node.__dict__["name"]: node
            for node in self._nodes.values()
            if state_of(node).groups == self.names
        }

    @property
    def nwd(self) -> Path:
        """Folder of the group."""
        return Path("outs", *self.names)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __contains__(self, node: object) -> bool:
        return node in self.nodes or any(node is own for own in self.nodes.values())

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.nodes)


class Project:
    """Collects the nodes made in its ``with`` block into one graph.

    Parameters
    ----------
    root : folder of ``dvc.yaml``; the working directory if not given
    params_file : ``params.yaml``, or ``params.json``, which stock DVC reads much faster in graphs
        of many hundred nodes
    """

    def __init__(self, root: Path | str | None = None, *, params_file: str = PARAMS_FILE) -> None:
        if params_file not in (PARAMS_FILE, "params.json"):
            raise BuildError(
                f"params_file must be 'params.yaml' or 'params.json', received {params_file!r}"
            )
        self.root = Path(root or ".").resolve()
        self.params_file = params_file
        self._nodes: dict[str, Node] = {}
        self._ids: set[int] = set()
        self._registry = NameRegistry()
        self._groups: tuple[str, ...] = ()
        self._unnamed = 0
        self._has_others = False
        self._built = False
        self._previous: dict[str, Json] = {}
        self._tokens: list[Token[Registry | None]] = []

    def __enter__(self) -> Project:
        if ACTIVE.get() is not None:
            raise BuildError("a Project must not be opened inside another Project's with block")
        if IMPORTING.get() is not None:
            raise BuildError(
                f"a Project must not be opened while the module of {IMPORTING.get()} is imported, "
                "as workers do; put it under if __name__ == '__main__':"
            )
        self._tokens.append(ACTIVE.set(self))
        return self

    def __exit__(self, *_: object) -> None:
        ACTIVE.reset(self._tokens.pop())

    @contextmanager
    def group(self, *names: str) -> Generator[Group]:
        """Open a group; groups nest and can be opened again.

        Parameters
        ----------
        names : path of the group; ``Group1``, ``Group2``, ... if none is given
        """
        if ACTIVE.get() is not self:
            raise BuildError("project.group() must be used inside the project's with block")
        if not names:
            self._unnamed += 1
            names = (f"Group{self._unnamed}",)
        before = self._groups
        self._groups = (*before, *(check_name(name, "a group name") for name in names))
        try:
            yield Group(self._groups, self._nodes)
        finally:
            self._groups = before

    def register(self, node: Node) -> None:
        """Take up a node that was just made; called by the node itself."""
        values = vars(node)
        name = values.get("name")
        if name is None:
            name = self._registry.automatic(self._groups, type(node).__name__)
        check_name(name, "a node name")
        stage = self._registry.claim(self._groups, name)
        values["name"] = name
        state = state_of(node)
        state.groups, state.stage = self._groups, stage
        state.source = Source(workspace(self.root))
        for spec in field_specs(type(node)).values():
            if spec.kind is Kind.DEPS and spec.name in values:
                state.inputs[spec.name] = values.pop(spec.name)
        self._nodes[stage] = node
        self._ids.add(id(node))

    def owns(self, node: Node) -> bool:
        """Whether attributes of a node are references now."""
        return id(node) in self._ids or state_of(node).source is not None

    @property
    def nodes(self) -> dict[str, Node]:
        """All nodes by stage name."""
        return dict(self._nodes)

    def build(self) -> None:
        """Write ``dvc.yaml``, the params file and ``graph.json``; nothing else, and only changes.

        Raises
        ------
        BuildError
            If the graph cannot be written as it stands; no file is touched then.
        """
        self._write(self._records())

    def _records(self) -> list[NodeRecord]:
        if ACTIVE.get() is not None:
            raise BuildError("build() and repro() must be called after the project's with block")
        add_to_path(self.root)
        if not self._built:
            self._built, self._previous = True, dict(workspace(self.root).graph)
        _check_library(self.root)
        records = Describer(self._nodes.values(), self.root).describe_all()
        check_paths(records)
        _check_tracked(self.root, records)
        return records

    def _write(self, records: list[NodeRecord]) -> None:
        old_dvc = _read(self.root / DVC_FILE)
        old_params: Json = None
        file = self.root / self.params_file
        params = params_text(records, self.params_file, None, ())
        if file.exists() and _read(file) != params:
            text = _read(file)
            with reading(self.params_file):
                old_params = load(text)
            owned = list(workspace(self.root).graph)
            params = params_text(records, self.params_file, old_params, owned)
        with reading(DVC_FILE):
            kept = ForeignParts(old_dvc)
        try:
            dvc = dvc_text(records, self.params_file, kept)
        except ValueError as error:
            raise BuildError(str(error)) from None
        self._has_others = bool(kept.stages or kept.frozen)
        write_atomic(self.root / GRAPH_FILE, graph_text(records))
        if params or file.exists():
            write_atomic(file, params)
        write_atomic(self.root / DVC_FILE, dvc)

    def repro(
        self,
        targets: Iterable[str] = (),
        *,
        executor: Executor | None = None,
        pool: str | None = None,
        display: Display | None = None,
        quiet: bool = False,
        force: bool = False,
        keep_going: bool = True,
        check: bool = True,
    ) -> RunReport:
        """Build, then run what is stale; afterwards the nodes at hand give values.

        Parameters
        ----------
        targets : nodes to run with all that they depend on; all if none is given
        executor : where nodes run; if not given, in the pools that ``pools.toml`` assigns them to,
            else on this machine by :class:`DaskExecutor` with one worker per core
        pool : pool of ``pools.toml`` for the nodes that no pattern there names
        display : shows the run; nodes and their progress on standard error if not given
        quiet : show nothing
        force : run nodes even if they are up to date
        keep_going : after a failure, go on with what does not depend on it
        check : raise if a node failed

        Raises
        ------
        NodeFailedError
            If a node failed (and ``check``); the message has the errors and what was skipped.
        BusyError
            If another run, ours or DVC's, is at work.
        """
        records = self._records()
        self._write(records)
        source = Source(workspace(self.root))
        for node in self._nodes.values():
            _forget_values(node)
            state_of(node).source = source
        if os.environ.get(BUILD_ONLY):
            return RunReport({})
        session = self._session(records)
        if display is None and not quiet:
            display = LiveDisplay(session.repository.tmp)
        report = session.repro(
            targets,
            executor or self._executor(pool),
            display,
            force=force,
            keep_going=keep_going,
            resources=self._resources(),
        )
        if check and not report.ok:
            raise NodeFailedError(describe_failures(report))
        return report

    def _executor(self, pool: str | None) -> Executor:
        if pool is None and not (self.root / POOLS_FILE).exists():
            return DaskExecutor()
        from zn_pipeline.execute.pools import PoolExecutor  # noqa: PLC0415
        from zn_pipeline.queues.pools import read_pools  # noqa: PLC0415

        pools = read_pools(self.root)
        return PoolExecutor(pools, None if pool is None else pools.pool(pool))

    def _session(self, records: list[NodeRecord]) -> Session:
        own = {r.name: Stage.from_entry(r.name, stage_entry(r, self.params_file)) for r in records}
        written = read_stages(self.root) if self._has_others else {}
        return Session(self.root, {**own, **written})

    def _resources(self) -> dict[str, Resources]:
        return {name: type(node).resources for name, node in self._nodes.items()}

    def run_decision(
        self, decide: Node, executor: Executor | None, *, quiet: bool = False
    ) -> bool | None:
        """Run a loop up to one of its decisions and return it; see :mod:`zn_pipeline.iterate`."""
        stage = state_of(decide).stage
        if not os.environ.get(BUILD_ONLY):
            self.repro([stage], executor=executor, quiet=quiet)
            return bool(decide.__getattr__("done"))
        known = {status.name: status.state for status in self.status()}
        return bool(decide.__getattr__("done")) if known[stage] == "up to date" else None

    def previous_graph(self) -> dict[str, Json]:
        """Return ``graph.json`` as it was before the first build of this object."""
        return self._previous

    def status(self) -> list[StageStatus]:
        """Build, and return what the next run would do with each node, and why."""
        records = self._records()
        self._write(records)
        return self._session(records).status()

    def iterate(self, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Grow the graph step by step; see :func:`zn_pipeline.iterate.iterate`."""
        from zn_pipeline.iterate import iterate  # noqa: PLC0415 - the one upward import

        return iterate(self, step, *args, **kwargs)


def describe_failures(report: RunReport) -> str:
    """Return the errors of a run and what was skipped, for people."""
    lines = [f"{name} failed: {report.stages[name].error}" for name in report.failed]
    if report.skipped:
        lines.append(f"skipped: {', '.join(report.skipped)}")
    return "\n".join(lines)


def _forget_values(node: Node) -> None:
    """Let outputs and dependencies be read again when they are next asked for."""
    specs = field_specs(type(node))
    for name in list(node.__dict__):
        computed = isinstance(getattr(type(node), name, None), cached_property)
        if computed or (name in specs and specs[name].kind is not Kind.PARAMS):
            del vars(node)[name]


def _check_tracked(root: Path, records: list[NodeRecord]) -> None:
    """Make sure that no cached output is a file of Git's, because it is removed before a run."""
    elsewhere = {
        out.path: f"{record.name}.{out.field}"
        for record in records
        for out in record.outs
        if out.cache and not out.path.startswith(f"{WORK_ROOT}/")
    }
    for path in git_tracked(root, list(elsewhere)):
        owner = next(p for p in elsewhere if path == p or path.startswith(f"{p}/"))
        raise BuildError(
            f"{elsewhere[owner]} must write a path that Git does not track, received {owner!r}, "
            f"in which Git tracks {path!r}; choose another path, or run 'git rm --cached' on it"
        )


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _check_library(root: Path) -> None:
    """Make sure that no folder of the user's hides the node library."""
    loaded = sys.modules.get("nodes")
    own = root / "nodes" / "__init__.py"
    if not own.exists() or loaded is None:
        return
    installed = Path(str(loaded.__file__)).resolve()
    library = Path(__file__).resolve().parent.parent / "nodes" / "__init__.py"
    if installed == own.resolve() and library.exists() and library.resolve() != own.resolve():
        raise BuildError(
            f"./nodes must not be a package of your own, because it hides the node library "
            f"installed at {library.parent}; rename your folder, e.g. my_nodes/"
        )
