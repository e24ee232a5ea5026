"""A node's project in a folder of its own, for a machine that does not see the real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from zn_pipeline.errors import PipelineError
from zn_pipeline.items.store import ItemStore
from zn_pipeline.records import Task

PROJECT = "project"
RUNS = "runs"


def stage_project(folder: Path, task: Task) -> None:
    """Put the files of the project that Git knows or would take, and the node's inputs, below.

    Raises
    ------
    PipelineError
        If Git cannot list the files.
    """
    root, target = Path(task.root), folder / PROJECT
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        raise PipelineError(
            f"{root} must be a Git repository, received: {listed.stderr.decode().strip()}"
        )
    for name in [*listed.stdout.decode().split("\0"), *task.deps]:
        source = root / name
        if name and source.exists():
            _copy(source, target / name)


def _copy(source: Path, target: Path) -> None:
    """Link files where that is possible: they are read only, and sent on at once."""
    if source.is_dir():
        for entry in sorted(source.iterdir()):
            _copy(entry, target / entry.name)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def staged_task(folder: Path, values: dict[str, object]) -> Task:
    """Return the task as it is where it runs: below the folder of its job."""
    here = {"root": str(folder / PROJECT), "tmp": str(folder / RUNS)}
    return Task(**{**values, **here})  # type: ignore[arg-type]


def bring_back(folder: Path, task: Task) -> None:
    """Put what a node wrote, its record and the results of its items, in their places here."""
    root, staged = Path(task.root), folder / PROJECT
    for name in (task.work_dir, *task.outs):
        source, target = staged / name, root / name
        if not source.exists():  # also what lies in the work dir, which came as a whole
            continue
        if target.is_dir():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)
    store = ItemStore.default(root)
    for segment in sorted(ItemStore.default(staged).segments.glob("*.seg")):
        store.adopt(segment)
    record = folder / RUNS / "results" / f"{task.name}.json"
    if record.exists() and json.loads(record.read_text("utf-8")).get("key") == task.key:
        results = Path(task.tmp) / "results"
        results.mkdir(parents=True, exist_ok=True)
        part = results / f".{task.name}.part"
        shutil.copyfile(record, part)
        os.replace(part, results / record.name)
