"""Running one node: in a Dask worker, in this process, or for ``zn-pipeline run``.

A worker imports the class, runs the node in its work dir, hashes the outputs, and leaves a record
of the finished run before it reports. It never touches anything of DVC's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from zn_pipeline.errors import PipelineError
from zn_pipeline.naming import LOG_FILE
from zn_pipeline.node import Node, field_specs, state_of
from zn_pipeline.records import FileHash, StageResult, Task
from zn_pipeline.serialize.codecs import codec_for
from zn_pipeline.serialize.describe import DONE_FILE
from zn_pipeline.store.objects import Tree, hash_path
from zn_pipeline.store.source import Source, add_to_path, workspace

FAILURE_FILE = "FAILED.txt"


def run_task(task: Task, *, log: bool = True) -> StageResult:
    """Run a node and return the hashes of its outputs, or its failure; never raises.

    Parameters
    ----------
    log : send all output of the process to ``node.log`` in the work dir while the node runs
    """
    start = time.perf_counter()
    root = Path(task.root)
    work_dir = root / task.work_dir
    here, variables = Path.cwd(), dict(os.environ)
    try:
        os.chdir(root)
        drop_records(Path(task.tmp), [task.name])
        _empty(work_dir, root, task.outs)
        with _logged(work_dir / LOG_FILE) if log else contextlib.nullcontext():
            try:
                _run_node(task, root)
            except BaseException:
                traceback.print_exc()
                raise
        outs, trees = _hash_outputs(task, root)
    except BaseException as error:  # noqa: BLE001 - whatever a node raises is its failure
        text = traceback.format_exc()
        mark_failed(task, text)
        message = f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - start
        return StageResult(task.name, task.key, error=message, traceback=text, seconds=seconds)
    finally:
        _set_environment(variables)
        with contextlib.suppress(OSError):
            os.chdir(here)
    seconds = time.perf_counter() - start
    result = StageResult(task.name, task.key, outs=outs, trees=trees, seconds=seconds)
    leave_record(Path(task.tmp), result)
    return result


def mark_failed(task: Task, text: str) -> None:
    """Leave the traceback, or the reason, of a failure in the work dir."""
    with contextlib.suppress(OSError):
        (Path(task.root) / task.work_dir / FAILURE_FILE).write_text(text, encoding="utf-8")


def _run_node(task: Task, root: Path) -> None:
    add_to_path(root)
    source = Source(workspace(root))
    node = source.node(task.name)
    state = state_of(node)
    state.cpus = task.cpus
    state.scratch = Path(task.tmp) / "scratch" / task.key
    state.report = _reporter(Path(task.tmp) / "progress" / task.name)
    node.run()
    os.chdir(root)
    save(node, Path(task.work_dir))


def _set_environment(variables: dict[str, str]) -> None:
    """Take back what a node did to the environment, which the next one must not see."""
    if os.environ != variables:
        os.environ.clear()
        os.environ.update(variables)


def save(node: Node, work_dir: Path) -> None:
    """Write all outputs that a node has set.

    Raises
    ------
    PipelineError
        If an output was not set, or its codec cannot write it; the message names the field.
    """
    declared = False
    for spec in field_specs(type(node)).values():
        if not spec.kind.is_output:
            continue
        declared = True
        if spec.kind.is_path:
            continue
        name = f"{node.name}.{spec.name}"
        if spec.name not in node.__dict__:
            raise PipelineError(f"{name} must be set by run(), but it was not")
        codec = codec_for(spec)
        path = work_dir / f"{spec.name}{codec.suffix}"
        try:
            codec.dump(node.__dict__[spec.name], path)
        except Exception as error:
            kind = type(node.__dict__[spec.name]).__name__
            raise PipelineError(
                f"{name} must be a value that its codec ({codec.suffix}) can write, received "
                f"{kind}: {error}"
            ) from error
    if not declared:
        (work_dir / DONE_FILE).write_text('{"done": true}\n', encoding="utf-8")


def _empty(work_dir: Path, root: Path, outs: tuple[str, ...]) -> None:
    """Remove what an earlier run left, as DVC does before it runs a stage."""
    if work_dir.exists():
        shutil.rmtree(work_dir)
    work_dir.mkdir(parents=True)
    for out in outs:
        path = root / out
        if path.is_relative_to(work_dir):
            path.parent.mkdir(parents=True, exist_ok=True)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)


def _hash_outputs(task: Task, root: Path) -> tuple[dict[str, FileHash], dict[str, Tree]]:
    outs: dict[str, FileHash] = {}
    trees: dict[str, Tree] = {}
    for out in task.outs:
        try:
            outs[out], tree = hash_path(root / out)
        except FileNotFoundError:
            raise PipelineError(
                f"{task.name} must write {out}, which it declares as an output, but did not"
            ) from None
        if tree is not None:
            trees[out] = tree
    return outs, trees


@contextlib.contextmanager
def _logged(file: Path) -> Generator[None]:
    """Send standard output and error of this process and its children to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with file.open("a", encoding="utf-8", buffering=1) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                yield
        finally:
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            os.close(saved[0])
            os.close(saved[1])


def _reporter(file: Path) -> Callable[[int, int], None]:
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < 0.2 and done < total:
            return
        last = now
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_name(f".{file.name}.part")
            part.write_text(f"{done} {total}", encoding="utf-8")
            os.replace(part, file)

    return report


def leave_record(tmp: Path, result: StageResult) -> None:
    """Write the record of a finished node, in one step; it outlives this process and the driver."""
    folder = tmp / "results"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{result.name}.part"
    part.write_text(json.dumps(result.to_json()), encoding="utf-8")
    os.replace(part, folder / f"{result.name}.json")


def read_records(tmp: Path) -> dict[str, StageResult]:
    """Return the records of finished nodes that no driver has committed yet."""
    found: dict[str, StageResult] = {}
    for file in sorted((tmp / "results").glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            result = StageResult.from_json(json.loads(file.read_text(encoding="utf-8")))
            found[result.name] = result
    return found


def read_record(tmp: str, task: Task, *, quick: bool = False) -> StageResult | None:
    """Return the record of a task, None if it has not finished.

    Parameters
    ----------
    quick : do not read it; only say whether there is one
    """
    file = Path(tmp, "results", f"{task.name}.json")
    if quick:
        return StageResult(task.name, task.key) if file.exists() else None
    try:
        result = StageResult.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return result if result.key == task.key else None


def drop_records(tmp: Path, names: Iterable[str]) -> None:
    """Remove the records of nodes that have been committed."""
    for name in names:
        (tmp / "results" / f"{name}.json").unlink(missing_ok=True)
