"""A project as it lies on disk: refresh its graph, run it, or say what would run and why."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from zn_pipeline.errors import NodeNotFoundError, PipelineError
from zn_pipeline.execute.commit import Writer
from zn_pipeline.execute.engine import Engine
from zn_pipeline.execute.protocol import Display, Executor, NoDisplay
from zn_pipeline.execute.stages import Stage, StageGraph, read_stages
from zn_pipeline.execute.staleness import Inputs, outputs_in_place, reasons
from zn_pipeline.execute.worker import FAILURE_FILE
from zn_pipeline.fingerprint.code import code_digest, target_digest
from zn_pipeline.fingerprint.values import short
from zn_pipeline.naming import FAILED_ITEMS_FILE, GRAPH_FILE, LOCK_FILE, normalise, work_dir
from zn_pipeline.records import Json, RunReport, StageReport, Status, Task
from zn_pipeline.resources import Resources
from zn_pipeline.serialize.dvc_yaml import graph_text_of
from zn_pipeline.serialize.wires import import_object
from zn_pipeline.store.lockfile import LockFile
from zn_pipeline.store.locks import run_lock
from zn_pipeline.store.objects import HashState
from zn_pipeline.store.repository import Repository, write_atomic
from zn_pipeline.store.source import Source, add_to_path, import_class, workspace


@dataclasses.dataclass(frozen=True, slots=True)
class StageStatus:
    """What the next run would do with a stage.

    Attributes
    ----------
    state : ``"up to date"``, ``"stale"``, ``"failed"``, or ``"waiting"`` for something above it
    reasons : why, one line for each difference
    """

    name: str
    state: str
    reasons: tuple[str, ...] = ()


class Session:
    """The files of a project folder, read when they are first needed.

    Parameters
    ----------
    root : folder of ``dvc.yaml``
    stages : its stages, if they are known already
    """

    def __init__(self, root: Path, stages: Mapping[str, Stage] | None = None) -> None:
        self.root = root.resolve()
        self.repository = Repository.find(self.root)
        self._given = stages

    @cached_property
    def graph(self) -> dict[str, Json]:
        """Content of ``graph.json``."""
        return workspace(self.root).graph

    @cached_property
    def stages(self) -> StageGraph:
        """All stages and their order."""
        graph = StageGraph(self._given if self._given is not None else read_stages(self.root))
        graph.order()
        return graph

    @cached_property
    def state(self) -> HashState:
        """Known hashes of files."""
        return HashState(self.repository.tmp / "hashes.json")

    def refresh(self) -> None:
        """Bring the code digests in ``graph.json`` up to date with the source files."""
        if not self.graph:
            self.repository.check_root()
        add_to_path(self.root)
        graph = {name: dict(entry) for name, entry in self.graph.items()}
        codes: dict[str, str] = {}

        def code(path: str) -> str:
            if path not in codes:
                codes[path] = code_digest(import_class(path))
            return codes[path]

        for entry in graph.values():
            entry["code"] = code(entry["class"])
            if "wires" in entry:
                entry["wires"] = _with_codes(entry["wires"])
        if graph != self.graph:
            write_atomic(self.root / GRAPH_FILE, graph_text_of(graph))
            self.graph = graph

    def task(self, name: str) -> Task:
        """Return the order to run one node.

        Raises
        ------
        NodeNotFoundError
            If there is no such node.
        """
        stage = normalise(name)
        source = Source(workspace(self.root))
        entry = source.entry(stage)
        found = self.stages.stages.get(stage)
        if found is None:
            raise NodeNotFoundError(
                f"{name!r} must be a stage of dvc.yaml, but only graph.json has it; build again"
            )
        return Task(
            name=stage,
            key=short([entry, source.snapshot.params.get(stage)]),
            root=str(self.root),
            tmp=str(self.repository.tmp),
            work_dir=source.work_dir(stage),
            outs=tuple(found.outs),
        )

    def resources(self) -> dict[str, Resources]:
        """Return what the class of each node demands."""
        return {n: import_class(entry["class"]).resources for n, entry in self.graph.items()}

    def with_failed_items(self) -> list[str]:
        """Return the nodes whose maps left failed items behind."""
        source = Source(workspace(self.root))
        return [
            name
            for name in self.graph
            if (self.root / source.work_dir(name) / FAILED_ITEMS_FILE).exists()
        ]

    def _inputs(self) -> Inputs:
        return Inputs(self.root, self.stages, self.graph, self.state)

    def repro(
        self,
        targets: Iterable[str],
        executor: Executor,
        display: Display | None = None,
        *,
        force: bool | AbstractSet[str] = False,
        keep_going: bool = True,
        resources: Mapping[str, Resources] | None = None,
    ) -> RunReport:
        """Run what is stale among the targets and what they depend on; all if no target is given.

        Stages of stock DVC in the same ``dvc.yaml`` run by ``dvc repro``, in their turn.

        Raises
        ------
        BusyError
            If another run, ours or DVC's, is at work.
        """
        start = time.perf_counter()
        names = tuple(targets)
        chosen = self.stages.select(names)
        self.repository.ignore_outputs()
        reports: dict[str, StageReport] = {}
        with run_lock(self.repository, has_workers=executor.has_workers()):
            lock = LockFile(self.root / LOCK_FILE)
            writer = Writer(self.repository, lock, self.state)
            inputs = self._inputs()
            if not names:  # with targets there may be more to come, as in a loop
                self._drop_removed(lock)
            shown = display or NoDisplay()
            engine = Engine(self.stages, inputs, writer, executor, shown, resources)
            engine.reports = reports
            for ours, phase in self._phases(chosen):
                if ours:
                    engine.run(phase, force=force, keep_going=keep_going)
                else:
                    self._run_foreign(phase, reports, lock, shown)
            self.state.save()
        ordered = {name: reports[name] for name in self.stages.stages if name in chosen}
        return RunReport(ordered, time.perf_counter() - start)

    def _drop_removed(self, lock: LockFile) -> None:
        """Forget entries of nodes that are no longer in the graph."""
        gone = lock.names() - self.stages.stages.keys()
        lock.drop(
            name
            for name in gone
            if name in ((lock.entry(name) or {}).get("params") or {}).get(GRAPH_FILE, {})
        )

    def _phases(self, chosen: set[str]) -> list[tuple[bool, list[str]]]:
        """Split the stages so that ours and those of stock DVC alternate in the right order."""
        levels: dict[str, int] = {}
        for name in self.stages.order():
            ours = self.stages.stages[name].ours
            level = 0 if ours else 1
            for above in self.stages.upstream[name]:
                same = self.stages.stages[above].ours == ours
                level = max(level, levels[above] + (0 if same else 1))
            levels[name] = level
        found: dict[int, list[str]] = {}
        for name in levels:
            if name in chosen:
                found.setdefault(levels[name], []).append(name)
        if not found:
            return []
        return [(level % 2 == 0, found[level]) for level in sorted(found)]

    def _run_foreign(
        self,
        names: list[str],
        reports: dict[str, StageReport],
        lock: LockFile,
        display: Display,
    ) -> None:
        for name in names:
            above = self.stages.upstream[name]
            broken = [
                up
                for up in sorted(above)
                if up in reports and reports[up].status in (Status.FAILED, Status.SKIPPED)
            ]
            if broken:
                reason = f"{', '.join(broken)} did not finish"
                report = StageReport(name, Status.SKIPPED, reason)
            else:
                report = self._run_by_dvc(name, lock)
            reports[name] = report
            display.settled(report)

    def _run_by_dvc(self, name: str, lock: LockFile) -> StageReport:
        start = time.perf_counter()
        before = lock.entry(name)
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "repro", "--single-item", name],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
        if done.returncode != 0:
            text = (done.stderr or done.stdout).strip()
            return StageReport(name, Status.FAILED, error=text[-2000:], seconds=seconds)
        lock.reload()
        same = before is not None and before == lock.entry(name)
        return StageReport(name, Status.UNCHANGED if same else Status.DONE, seconds=seconds)

    def status(self, targets: Iterable[str] = ()) -> list[StageStatus]:
        """Return what the next run would do, in the order of the graph."""
        chosen = self.stages.select(targets)
        lock = LockFile(self.root / LOCK_FILE)
        inputs = self._inputs()
        found: dict[str, StageStatus] = {}
        for name in self.stages.order():
            stage = self.stages.stages[name]
            if name not in chosen or not stage.ours:
                continue
            stale = [
                above
                for above in sorted(self.stages.upstream[name])
                if above in found and found[above].state != "up to date"
            ]
            found[name] = self._status_of(stage, inputs, lock.entry(name), stale)
        self.state.save()
        return [found[name] for name in self.stages.stages if name in found]

    def _status_of(
        self, stage: Stage, inputs: Inputs, entry: Json | None, stale: list[str]
    ) -> StageStatus:
        status = self._compare(stage, inputs, entry, stale)
        if status.state == "up to date" or not self._failure(stage.name).exists():
            return status
        last = self._failure(stage.name).read_text(encoding="utf-8").strip().splitlines()
        return StageStatus(stage.name, "failed", tuple(last[-1:]))

    def _compare(
        self, stage: Stage, inputs: Inputs, entry: Json | None, stale: list[str]
    ) -> StageStatus:
        """Return the status of a stage, whether or not its last run failed."""
        if stale:
            above = f"waits for {', '.join(stale)}"
            return StageStatus(stage.name, "waiting", (above,))
        try:
            why = reasons(stage, inputs.expected(stage), entry)
        except PipelineError as error:
            return StageStatus(stage.name, "stale", (str(error),))
        if stage.always_changed:
            why.append("always changed")
        if not why and entry is not None and not stage.frozen:
            outs = outputs_in_place(stage, entry, self.root, self.state)
            if outs is None:
                why.append("outputs were changed or missing")
            else:
                inputs.produced.update(outs)
        if stage.frozen:
            why = []
        return StageStatus(stage.name, "stale" if why else "up to date", tuple(why))

    def _failure(self, name: str) -> Path:
        entry = cast("dict[str, Json]", self.graph.get(name) or {})
        groups = tuple(cast("list[str]", entry.get("groups", [])))
        own = name[len("_".join(groups)) + 1 :] if groups else name
        return self.root / work_dir(groups, own) / FAILURE_FILE


def _with_codes(wire: Json) -> Json:
    """Return wires with the code digests of their specs brought up to date."""
    if isinstance(wire, list):
        return [_with_codes(item) for item in cast("list[Json]", wire)]
    if not isinstance(wire, dict):
        return wire
    changed = {key: _with_codes(value) for key, value in cast("dict[str, Any]", wire).items()}
    if "spec" in changed and isinstance(changed["spec"], str):
        changed["code"] = code_digest(import_object(changed["spec"]))
    if "targets" in changed:
        changed["targets"] = {target: target_digest(target) for target in changed["targets"]}
    return changed
