"""Nodes as batch jobs that need no driver.

The job of a node is named by the node's key, so a run that was killed finds its jobs again. What a
job leaves behind is the work dir and the record of the finished run, as any worker does.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zn_pipeline.errors import PipelineError
from zn_pipeline.execute.staging import bring_back, stage_project, staged_task
from zn_pipeline.execute.worker import FAILURE_FILE, mark_failed, read_record, run_task
from zn_pipeline.queues.jobs import PYTHON, Jobs
from zn_pipeline.queues.pools import Pool
from zn_pipeline.records import StageResult, Task
from zn_pipeline.resources import Resources

TASK_FILE = "task.json"


class DetachedExecutor:
    """Runs each node as a batch job of a pool.

    Parameters
    ----------
    pool : of mode ``"detached"``. Jobs see the project's folder; behind ssh they get what the node
        needs of it, and their outputs are brought back.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._jobs: Jobs | None = None
        self._folder = Path()
        self._tmp = ""
        self._tasks: dict[str, Task] = {}
        self._polled = 0.0

    def start(self, root: str, tmp: str) -> None:
        """Look at the jobs that an earlier run left."""
        del root
        self._tmp = tmp
        self._folder = Path(tmp) / "jobs" / self._pool.name
        self._jobs = Jobs(self._pool, self._folder)

    def submit(self, task: Task) -> None:
        """Submit the job of a node, or wait for the one that there is."""
        assert self._jobs is not None
        name = f"zn-{task.name[:40]}-{task.key}"
        demand = Resources(
            cpus=task.cpus,
            gpus=task.gpus,
            memory_gib=task.memory_gib,
            walltime_minutes=task.walltime_minutes,
        )
        self._tasks[name] = task
        if self._finished_before(name, task):
            return
        remote = self._pool.ssh is not None

        def prepare(folder: Path) -> None:
            if remote:
                stage_project(folder, task)
            _write(folder, task, staged=remote)

        command = [PYTHON, "-m", "zn_pipeline.execute.detached", "."]
        self._jobs.launch(name, prepare, command, demand, again=True)

    def _finished_before(self, name: str, task: Task) -> bool:
        """Whether the job of an earlier run has done the work; its results are here then."""
        assert self._jobs is not None
        if self._pool.ssh is None or name not in self._jobs.names():
            return False
        status = self._jobs.poll([name])[name]
        if status.phase != "done" or status.exit_code:
            return False
        self._bring_back(name, task)
        return read_record(self._tmp, task) is not None

    def _bring_back(self, name: str, task: Task) -> None:
        assert self._jobs is not None
        with contextlib.suppress(PipelineError):
            bring_back(self._jobs.fetch(name), task)

    def wait(self, timeout_seconds: float) -> Sequence[StageResult]:
        """Return results as they come; the scheduler is asked no more often than the pool says."""
        if not self._tasks:
            return []
        results = [self._take(name, found) for name, found in self._records()]
        if results:
            return results
        if time.monotonic() - self._polled < self._pool.poll_seconds:
            time.sleep(timeout_seconds)
            return []
        assert self._jobs is not None
        self._polled = time.monotonic()
        for name, status in self._jobs.poll().items():
            task = self._tasks.get(name)
            if task is not None and status.ended:
                if self._pool.ssh is not None:
                    self._bring_back(name, task)
                found = read_record(self._tmp, task)
                if found is None:
                    found = _failed(task, status.message)
                results.append(self._take(name, found))
        return results

    def _records(self) -> list[tuple[str, StageResult]]:
        found = [(name, read_record(self._tmp, task)) for name, task in self._tasks.items()]
        return [(name, result) for name, result in found if result is not None]

    def _take(self, name: str, result: StageResult) -> StageResult:
        assert self._jobs is not None
        del self._tasks[name]
        if result.ok:  # else its folder keeps the checkpoints
            with contextlib.suppress(ValueError):  # the job may need a moment to end
                self._jobs.forget(name)
        return result

    def running(self) -> Sequence[str]:
        """Return the nodes whose jobs have not ended, waiting ones too."""
        return [task.name for task in self._tasks.values()]

    def has_workers(self) -> bool:
        """Jobs live on their own."""
        return False

    def stop(self) -> None:
        """Let go of the jobs: they go on, and the next run finds them."""
        self._tasks.clear()
        if self._jobs is not None:
            self._jobs.close()
            self._jobs = None


def _failed(task: Task, message: str) -> StageResult:
    """Return what became of a node whose job ended without a result."""
    file = Path(task.root) / task.work_dir / FAILURE_FILE
    try:
        text = file.read_text(encoding="utf-8")
        error = text.strip().splitlines()[-1]
    except (OSError, IndexError):
        error = f"JobLost: {message or 'the job ended without a result'}"
        text = f"{error}\n"
        mark_failed(task, text)
    return StageResult(task.name, task.key, error=error, traceback=text)


def _write(folder: Path, task: Task, *, staged: bool) -> None:
    record = {"task": dataclasses.asdict(task), "staged": staged}
    (folder / TASK_FILE).write_text(json.dumps(record), encoding="utf-8")


def main() -> None:
    """Run the node in the folder given on the command line."""
    folder = Path(sys.argv[1]).resolve()
    record: dict[str, Any] = json.loads((folder / TASK_FILE).read_text("utf-8"))
    values: dict[str, Any] = record["task"]
    values["outs"], values["deps"] = tuple(values["outs"]), tuple(values["deps"])
    result = run_task(staged_task(folder, values) if record["staged"] else Task(**values))
    if not result.ok:
        print(result.error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
