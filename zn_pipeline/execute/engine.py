"""The run: settles every stage once, in the order of the graph, as many at a time as there is room.

A stage is settled as soon as all that it depends on is: unchanged, restored from an earlier
result, done, failed, or skipped because something above it failed. An output that comes out
identical leaves everything below it untouched.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import cast

from zn_pipeline.errors import BusyError, PipelineError
from zn_pipeline.execute.commit import Writer
from zn_pipeline.execute.protocol import Display, Executor
from zn_pipeline.execute.stages import Stage, StageGraph
from zn_pipeline.execute.staleness import Inputs, outputs_in_place, reasons, recorded_outputs
from zn_pipeline.execute.worker import drop_records, read_records
from zn_pipeline.fingerprint.values import short
from zn_pipeline.naming import work_dir
from zn_pipeline.records import FileHash, Json, RunReport, StageReport, StageResult, Status, Task
from zn_pipeline.resources import Resources
from zn_pipeline.store.locks import announced
from zn_pipeline.store.objects import hash_path


class Engine:
    """One run over the selected stages of a graph.

    Parameters
    ----------
    stages : the whole graph
    inputs : current values of what the stages read
    writer : the single writer
    executor : where nodes run
    display : shows the run
    resources : demand of each stage; one CPU if not given
    """

    def __init__(
        self,
        stages: StageGraph,
        inputs: Inputs,
        writer: Writer,
        executor: Executor,
        display: Display,
        resources: Mapping[str, Resources] | None = None,
    ) -> None:
        self.stages = stages
        self.inputs = inputs
        self.writer = writer
        self.executor = executor
        self.display = display
        self.resources = dict(resources or {})
        self.reports: dict[str, StageReport] = {}
        self._started = False
        self._held = contextlib.ExitStack()
        self._announced = False
        self._pending: dict[str, tuple[dict[str, Json], str | None, str]] = {}
        self._attempts: dict[str, int] = {}
        self._records: dict[str, StageResult] = {}
        self._adopted: list[StageResult] = []
        self._ready: deque[str] = deque()
        self._missing: dict[str, int] = {}
        self._stop = False

    def run(
        self,
        names: Iterable[str],
        *,
        force: bool | AbstractSet[str] = False,
        keep_going: bool = True,
    ) -> RunReport:
        """Settle the named stages; each must come with all that it depends on.

        Parameters
        ----------
        force : run stages even if they are up to date; all, or those that are named
        keep_going : after a failure, go on with what does not depend on it
        """
        start = time.perf_counter()
        chosen = set(names)
        self._records = read_records(self.writer.repository.tmp)
        self._missing = {n: len(self.stages.upstream[n] & chosen) for n in chosen}
        order = [name for name in self.stages.stages if name in chosen]
        self._ready.extend(name for name in order if self._missing[name] == 0)
        self.display.begin(len(chosen))
        try:
            while True:
                while self._ready:
                    name = self._ready.popleft()
                    forced = force if isinstance(force, bool) else name in force
                    self._decide(name, chosen, force=forced)
                if not self._pending:
                    break
                for result in self._results():
                    self._take(result, chosen, keep_going=keep_going)
                self.writer.flush()
        finally:
            if self._started:
                self.executor.stop()
            try:
                self.writer.flush(now=True)
                settled = [name for name in self._records if name in self.reports]
                drop_records(self.writer.repository.tmp, settled)
            finally:
                self._held.close()
                self._announced = False
                self.display.end()
        return RunReport({name: self.reports[name] for name in order}, time.perf_counter() - start)

    def _results(self) -> Sequence[StageResult]:
        """Return results of runs that were never committed first, then those of the executor."""
        if self._adopted:
            adopted, self._adopted = self._adopted, []
            return adopted
        self.display.running(self.executor.running())
        return self.executor.wait(0.25)

    def _settle(self, report: StageReport, chosen: set[str]) -> None:
        self.reports[report.name] = report
        self.display.settled(report)
        left = self._records.pop(report.name, None)
        if left is not None and report.status in (Status.UNCHANGED, Status.RESTORED):
            self.writer.retire(left)
        for below in self.stages.downstream[report.name]:
            if below in chosen:
                self._missing[below] -= 1
                if self._missing[below] == 0:
                    self._ready.append(below)

    def _decide(self, name: str, chosen: set[str], *, force: bool) -> None:
        stage = self.stages.stages[name]
        broken = [
            above
            for above in sorted(self.stages.upstream[name] & self.reports.keys())
            if self.reports[above].status in (Status.FAILED, Status.SKIPPED)
        ]
        if broken or self._stop:
            reason = f"{', '.join(broken)} did not finish" if broken else "stopped after a failure"
            self._settle(StageReport(name, Status.SKIPPED, reason), chosen)
            return
        try:
            report = self._look_up(stage, force=force)
        except BusyError:
            raise
        except PipelineError as error:
            report = StageReport(name, Status.FAILED, error=str(error))
        if report is not None:
            self._settle(report, chosen)

    def _look_up(self, stage: Stage, *, force: bool) -> StageReport | None:
        """Settle a stage without running it, or send it to the executor and return None."""
        entry = self.writer.lock.entry(stage.name)
        if stage.frozen:
            self._note(recorded_outputs(stage, entry or {}) or {})
            return StageReport(stage.name, Status.UNCHANGED, "frozen")
        expected = self.inputs.expected(stage)
        why = reasons(stage, expected, entry)
        if stage.always_changed:
            why = ["always changed"]
        elif not force:
            settled = self._reuse(stage, expected, entry, why)
            if settled is not None:
                return settled
        reusable = not stage.always_changed
        key = self.inputs.content_key(stage, expected) if reusable else None
        why_text = "; ".join(why) or ("forced" if force else "outputs changed")
        if key is not None and not force:
            found = self.writer.earlier(stage, expected, key)
            if found is not None and self._restore(stage, expected, found):
                return StageReport(stage.name, Status.RESTORED, why_text)
        self._send(stage, expected, key, why_text, adopt=not force)
        return None

    def _reuse(
        self,
        stage: Stage,
        expected: Mapping[str, Json],
        entry: Mapping[str, Json] | None,
        why: list[str],
    ) -> StageReport | None:
        if why or entry is None:
            return None
        root = self.writer.repository.root
        outs = outputs_in_place(stage, entry, root, self.writer.state)
        if outs is not None:
            self.writer.refill(stage, outs)
            self._note(outs)
            return StageReport(stage.name, Status.UNCHANGED)
        recorded = recorded_outputs(stage, entry)
        if recorded is not None and self._restore(stage, expected, recorded):
            return StageReport(stage.name, Status.RESTORED, "outputs were changed or missing")
        return None

    def _restore(
        self, stage: Stage, expected: Mapping[str, Json], outs: Mapping[str, FileHash]
    ) -> bool:
        self._announce()
        if not self.writer.restore(stage, expected, outs):
            return False
        self._note(outs)
        return True

    def _announce(self) -> None:
        """Before the first change: tell stock DVC to keep away, or stop if it is at work."""
        if not self._announced:
            self._held.enter_context(announced(self.writer.repository))
            self._announced = True

    def _note(self, outs: Mapping[str, FileHash]) -> None:
        self.inputs.produced.update(outs)

    def _send(
        self,
        stage: Stage,
        expected: dict[str, Json],
        key: str | None,
        why: str,
        *,
        adopt: bool,
    ) -> None:
        self._announce()
        task = self._task(stage, expected)
        self._pending[stage.name] = (expected, key, why)
        left = self._records.pop(stage.name, None)
        if adopt and left is not None and left.key == task.key and self._is_intact(left):
            self._adopted.append(left)
            return
        if not self._started:
            repository = self.writer.repository
            self.executor.start(str(repository.root), str(repository.tmp))
            self._started = True
        self.executor.submit(task)

    def _task(self, stage: Stage, expected: Mapping[str, Json]) -> Task:
        repository = self.writer.repository
        entry = cast("dict[str, Json]", self.inputs.graph[stage.name])
        groups = tuple(cast("list[str]", entry.get("groups", [])))
        own = stage.name[len("_".join(groups)) + 1 :] if groups else stage.name
        demand = self.resources.get(stage.name, Resources())
        return Task(
            name=stage.name,
            key=short(expected),
            root=str(repository.root),
            tmp=str(repository.tmp),
            work_dir=work_dir(groups, own),
            outs=tuple(stage.outs),
            cpus=demand.cpus,
            walltime_minutes=demand.walltime_minutes,
            gpus=demand.gpus,
            memory_gib=demand.memory_gib,
            deps=stage.deps,
            kind=str(entry["class"]),
        )

    def _is_intact(self, left: StageResult) -> bool:
        """Whether the outputs of a run that was never committed still are what it wrote."""
        root = self.writer.repository.root
        try:
            return all(hash_path(root / p)[0].md5 == c.md5 for p, c in left.outs.items())
        except OSError:
            return False

    def _take(self, result: StageResult, chosen: set[str], *, keep_going: bool) -> None:
        stage = self.stages.stages[result.name]
        if not result.ok and self._retry(stage, result):
            return
        expected, key, why = self._pending.pop(result.name)
        if result.ok:
            try:
                self._note(self.writer.commit(stage, expected, key, result))
            except OSError as error:
                result = StageResult(
                    result.name, result.key, error=f"{type(error).__name__}: {error}"
                )
        if result.ok:
            report = StageReport(stage.name, Status.DONE, why, seconds=result.seconds)
        else:
            if not keep_going:
                self._stop = True
            report = StageReport(
                stage.name, Status.FAILED, why, error=result.error or "", seconds=result.seconds
            )
        self._settle(report, chosen)

    def _retry(self, stage: Stage, result: StageResult) -> bool:
        attempts = self._attempts.get(stage.name, 0)
        if attempts >= self.resources.get(stage.name, Resources()).retries:
            return False
        self._attempts[stage.name] = attempts + 1
        self.executor.submit(self._task(stage, self._pending[result.name][0]))
        return True
