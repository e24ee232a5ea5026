"""Computing a chunk of items in a worker: every result is in a segment before it is reported."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from zn_pipeline.items.call import Call, Step
from zn_pipeline.items.records import Done, FailureKind, ItemRecord, Place, Work
from zn_pipeline.items.values import encode
from zn_pipeline.items.visible import complete, visible

_MACHINE_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.EAGAIN}
)
TRACEBACK_LENGTH = 8000


class Writer(Protocol):
    """Where records go."""

    def append(self, record: ItemRecord) -> Place:
        """Append a record and return where it lies."""
        ...


def run_chunk(
    call: Call,
    work: Sequence[Work],
    writer: Writer,
    *,
    scratch: Path,
    deadline: float | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> list[Done]:
    """Compute items one after the other; never raises for what a function does.

    Parameters
    ----------
    call : what is done with each item
    work : the items
    writer : where records go
    scratch : folder of the private folders of the items
    deadline : no item is begun that would probably end later, in seconds since 1970
    go_on : asked before each item

    Returns
    -------
    list of Done
        One for each step of each item, in order; items that were not begun have none.
    """
    if call.steps[0].batched:
        return _run_batch(call, work, writer, scratch)
    done: list[Done] = []
    longest = 0.0
    for entry in work:
        if not go_on() or (deadline is not None and time.time() + longest > deadline):
            break
        begin = time.monotonic()
        done.extend(_run_item(call, entry, writer, scratch))
        longest = max(longest, time.monotonic() - begin)
    return done


def _run_item(call: Call, entry: Work, writer: Writer, scratch: Path) -> list[Done]:
    done: list[Done] = []
    steps = call.variants[entry.variant]
    key, structure, seed, item = entry.key, entry.structure, entry.seed, entry.item
    attempts = entry.attempts + 1
    for number in range(entry.step, len(steps)):
        step = steps[number]
        begin = time.perf_counter()
        # Kept for what the function must not see; without more steps nobody asks for it.
        before = item if number + 1 < len(steps) else None
        given = item if before is None else visible(item, step.reads)
        try:
            output = _apply(call, entry.variant, number, given, seed, scratch, key)
            body, status = encode(output), "ok"
        except Exception as error:  # noqa: BLE001 - whatever a function raises is its failure
            output, body, status = None, _failure(error, scratch, key, attempts, begin), "failed"
        seconds = time.perf_counter() - begin
        record = ItemRecord(key, step.recipe.id, structure, status, body, seconds, attempts)
        place = writer.append(record)
        last = output is None or number + 1 == len(steps)
        done.append(
            Done(key, step.recipe.id, structure, status, place, seconds, attempts, entry.key, last)
        )
        if status == "ok" and "scratch" in step.injected:
            shutil.rmtree(scratch / key.hex(), ignore_errors=True)
        if last:
            break
        item, attempts = complete(output, before, step.reads), 1
        key, structure, seed = call.identify(entry.variant, number + 1, item)
    return done


def _apply(
    call: Call,
    variant: int,
    number: int,
    item: Any,
    seed: int | None,
    scratch: Path,
    key: bytes,
) -> Any:
    step = call.variants[variant][number]
    folder = scratch / key.hex() if "scratch" in step.injected else scratch
    if number == 0 or not isinstance(item, list):
        return step.apply(item, seed, folder)
    outputs: list[Any] = []
    for place, member in enumerate(cast("list[Any]", item)):
        own = call.identify(variant, number, member)[2] if step.random else None
        output = step.apply(member, own, folder / str(place))
        outputs.extend(output if isinstance(output, list) else [] if output is None else [output])
    return outputs


def _run_batch(call: Call, work: Sequence[Work], writer: Writer, scratch: Path) -> list[Done]:
    """Call a function that takes lists; if it fails, once more for each item alone."""
    step = call.steps[0]
    done: list[Done] = []
    begin = time.perf_counter()
    try:
        items = [visible(entry.item, "all") for entry in work]
        outputs = _checked(step, step.apply(items, None, scratch / "batch"), len(work))
    except Exception:  # noqa: BLE001 - which item is to blame is found out below
        outputs = None
    shared = (time.perf_counter() - begin) / max(1, len(work))
    for number, entry in enumerate(work):
        begin, folder = time.perf_counter(), scratch / entry.key.hex()
        try:
            output = (
                outputs[number]
                if outputs is not None
                else _checked(step, step.apply([entry.item], None, folder), 1)[0]
            )
            body, status = encode(output), "ok"
        except Exception as error:  # noqa: BLE001 - whatever a function raises is its failure
            tries = entry.attempts + 1
            body, status = encode(failure_of(error, folder, tries)), "failed"
        seconds = shared if outputs is not None else time.perf_counter() - begin
        tries, recipe = entry.attempts + 1, step.recipe.id
        record = ItemRecord(entry.key, recipe, entry.structure, status, body, seconds, tries)
        place = writer.append(record)
        done.append(
            Done(entry.key, recipe, entry.structure, status, place, seconds, tries, entry.key, True)
        )
    return done


def _checked(step: Step, outputs: Any, size: int) -> list[Any]:
    found = list(outputs)
    if len(found) != size:
        raise ValueError(
            f"{step.name} must return one result for each of {size} items, received {len(found)}"
        )
    return found


def _failure(error: Exception, scratch: Path, key: bytes, attempts: int, begin: float) -> bytes:
    seconds = time.perf_counter() - begin
    return encode({**failure_of(error, scratch / key.hex(), attempts), "seconds": seconds})


def failure_of(
    error: BaseException, folder: Path | None = None, attempts: int = 1
) -> dict[str, Any]:
    """Return what is kept of an exception, as plain values."""
    text = "".join(traceback.format_exception(error))
    kept = [str(path) for path in getattr(error, "kept_files", ())]
    if not kept and folder is not None and folder.is_dir():
        kept = [str(path) for path in sorted(folder.rglob("*")) if path.is_file()][:20]
    return {
        "kind": failure_kind(error),
        "type": type(error).__name__,
        "message": str(error),
        "traceback": text[-TRACEBACK_LENGTH:],
        "host": platform.node(),
        "job": job_id(),
        "kept_files": kept,
        "attempts": attempts,
    }


def failure_kind(error: BaseException) -> FailureKind:
    """Return the class of a failure: what the error itself says, else by its type."""
    told = getattr(error, "failure_kind", None)
    if told is not None:
        return cast("FailureKind", told)
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, (TimeoutError, subprocess.TimeoutExpired)):
        return "timeout"
    if isinstance(error, ConnectionError):
        return "infrastructure"
    if isinstance(error, OSError) and error.errno in _MACHINE_ERRORS:
        return "infrastructure"
    return "calculation"


def job_id() -> str:
    """Return the id of the batch job that this process belongs to, "" if there is none."""
    for name in ("SLURM_JOB_ID", "PBS_JOBID", "JOB_ID"):
        if os.environ.get(name):
            return os.environ[name]
    return ""
