"""One function over many items; what was computed once is never computed again."""

from __future__ import annotations

import contextlib
import functools
import itertools
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from zn_pipeline.errors import DamagedError, MapFailedError
from zn_pipeline.items.backends import Backend
from zn_pipeline.items.call import Call, Step, as_callable, step_of, takes_list, with_setting
from zn_pipeline.items.collect import collect
from zn_pipeline.items.failures import write_failures
from zn_pipeline.items.inputs import Items
from zn_pipeline.items.progress import show_progress
from zn_pipeline.items.results import MapResults, MapValues
from zn_pipeline.items.retry import told
from zn_pipeline.items.run import MapRun
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.where import backend_of
from zn_pipeline.serialize.frames.outputs import FramesOutput

SHOWN_FAILURES = 20
MAX_DAMAGED = 3


def map_items(
    func: Any,
    items: Any,
    *,
    out: Any = None,
    where: Any = None,
    cache: bool = True,
    on_error: Literal["raise", "record"] = "raise",
    max_failures: float | None = None,
    retry: Literal["failed"] | None = None,
    seed: int | None = None,
    reads: Sequence[str] | Literal["all"] | None = None,
    arguments: Mapping[str, Any] | None = None,
    sweep: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | None = None,
    batch: int | Literal["auto"] | None = None,
    tags: Mapping[str, Any] | None = None,
    processes: int = 1,
    wait: bool = True,
    store: ItemStore | str | Path | None = None,
    failures_out: str | Path | None = None,
    progress: Callable[[int, int], None] | bool = True,
    name: str | None = None,
) -> Any:  # MapResults or MapValues: which of the two, no annotation can tell
    """Apply a function to every item, and keep each result in the item store.

    A result is found again by what it was made from: the code of the function, its parameters,
    the calculator with its version and files, the structure, and the seed. Order, duplicates, other
    items, file formats, names, branches and the machine do not matter.

    Parameters
    ----------
    func : function of one item that returns a structure, a list of structures, None (the item is
        filtered out) or a plain value. Or a calculator spec, an ASE calculator, or
        ``(Class, keyword arguments)``. Or a list of these, which run one after the other in the
        same worker, each with results of its own. A function whose first parameter is annotated as
        a list gets groups of structures as items or, with `batch`, many items at once. Parameters
        named ``rng``, ``seed`` and ``scratch`` are filled in: a `numpy.random.Generator` and an
        integer of the item, and a folder that is kept until the item succeeds.
    items : structures in any form that `zn.Frames` takes, or a list of plain values
    out : None for memory, else a file or a `zn.Output`
    where : None for this process; a number of processes; the name of a pool of ``pools.toml``; a
        Dask client
    cache : False computes everything and stores nothing
    on_error : what to do about items that fail, after all others are done: ``"raise"``, or
        ``"record"`` to leave them out and list them in ``failures``
    max_failures : number, or fraction below 1, of failures that do not raise; None allows none
        under ``"raise"``, all under ``"record"``
    retry : ``"failed"`` tries items again that failed by their own fault
    seed : required if the function takes `rng` or `seed`
    reads : names of what the function reads of a structure besides elements, positions, cell and
        periodicity: arrays, ``"info.NAME"``, ``"results"``, ``"constraints"``; it does not get to
        see anything else. ``"all"``, which is the default of functions, for everything.
    arguments : further keyword arguments for the function; part of the key
    sweep : a second axis: ``{"name": [values]}`` for all combinations, or a list of settings. They
        are keyword arguments of a function, fields of a spec.
    batch : number of items in one task; None or ``"auto"`` measures
    tags : entries for ``Atoms.info`` of the outputs; not part of the key
    processes : how many of this machine to use if neither `where` nor ``pools.toml`` says more
    wait : False submits detached jobs and returns what there is
    store : folder of the item store; None for the one of the project
    failures_out : folder for ``failures.jsonl`` and the structures that have no result
        (``failed.h5``); None takes the folder of `out`, if that is a file
    progress : whether to show it, or a function of (done, total)
    name : of the map, for pools that are assigned by ``map:NAME``; None for that of the function

    Returns
    -------
    MapResults or MapValues
        The outputs in the order of the items: structures as `zn.Frames`, other values as a list.

    Raises
    ------
    MapFailedError
        If more items fail than are allowed; everything else is in the store.
    NotCacheableError
        If something that the result depends on has no canonical form.
    ValueError, TypeError
        If an argument is wrong; nothing has been computed then.
    """
    retry = retry or cast("Any", told())
    _check(on_error, max_failures, retry, batch)
    call = _call(func, arguments=arguments, reads=reads, sweep=sweep, batch=batch, seed=seed)
    given = Items(items, grouped=takes_list(call.steps[0].func) and not call.steps[0].batched)
    label = name or call.steps[-1].name
    if out is not None:
        out = FramesOutput.from_any(out)
        if not given.of_structures and len(given):
            raise ValueError(
                f"out must be None for items that are no structures, received {out}; files are "
                "given as a path, a glob, a list of Path objects or zn.Frames"
            )
    place = functools.partial(
        backend_of, where, label=label, batch=batch, processes=processes, wait=wait
    )
    with _opened(store, lasting=cache) as opened, show_progress(progress, label) as shown:
        new_run = functools.partial(MapRun, call, given, opened, retry=retry, progress=shown)
        results = _results(new_run, place, out=out, tags=tags, lasting=cache)
    write_failures(results, given, out, failures_out)
    _judge(
        results,
        len(given) * len(call.variants),
        label,
        on_error=on_error,
        max_failures=max_failures,
    )
    return results


def _results(
    new_run: Callable[[], MapRun],
    place: Callable[[], Backend],
    *,
    out: FramesOutput | None,
    tags: Mapping[str, Any] | None,
    lasting: bool,
) -> MapResults | MapValues:
    """Find, compute and collect; what turns out to be damaged is computed once more."""
    backend: Backend | None = None
    for _ in range(MAX_DAMAGED):
        run = new_run()
        for steps in run.call.variants:
            for step in steps:
                run.store.note_recipe(step.recipe)
        run.plan(whole=out is not None)
        if run.pending:
            backend = backend or place()
            run.execute(backend)
        with contextlib.suppress(DamagedError):  # it counts as not done from now on
            return collect(run, out=out, tags=tags, lasting=lasting)
    raise DamagedError(
        "results must be read as they were written, but the store was found damaged again and "
        "again; see 'znp store verify'"
    )


@contextlib.contextmanager
def _opened(store: ItemStore | str | Path | None, *, lasting: bool) -> Generator[ItemStore]:
    """Give the item store, or one that is removed afterwards."""
    if not lasting:
        with tempfile.TemporaryDirectory(prefix="zn-items-") as folder:
            temporary = ItemStore(folder)
            try:
                yield temporary
            finally:
                temporary.close()
    elif isinstance(store, ItemStore):
        yield store
    else:
        own = ItemStore.default() if store is None else ItemStore(store)
        try:
            yield own
        finally:
            own.close()


def _call(
    func: Any,
    *,
    arguments: Mapping[str, Any] | None,
    reads: Any,
    sweep: Any,
    batch: Any,
    seed: int | None,
) -> Call:
    chain = func if isinstance(func, list) else [func]
    if not chain:
        raise ValueError("func must be a function or a list of functions, received an empty list")
    steps = [as_callable(member) for member in cast("list[Any]", chain)]
    settings = _settings(sweep)
    batched = batch is not None and len(steps) == 1 and settings == [{}]
    variants: list[tuple[Step, ...]] = []
    for setting in settings:
        made = [
            step_of(step, arguments=arguments if single else None, reads=reads, batched=batched)
            for single, step in ((len(steps) == 1, step) for step in steps[:-1])
        ]
        last, given = with_setting(steps[-1], setting)
        own = {**(arguments or {}), **given} if len(steps) == 1 else given
        made.append(step_of(last, arguments=own, reads=reads, batched=batched))
        variants.append(tuple(made))
    return Call(tuple(variants), seed, tuple(settings))


def _settings(sweep: Any) -> list[dict[str, Any]]:
    if sweep is None:
        return [{}]
    if isinstance(sweep, Mapping):
        axes = cast("Mapping[str, Sequence[Any]]", sweep)
        values = itertools.product(*axes.values())
        settings = [dict(zip(axes, chosen, strict=True)) for chosen in values]
    else:
        settings = [dict(setting) for setting in sweep]
    if not settings:
        raise ValueError("sweep must have at least one setting, received none")
    return settings


def _check(on_error: Any, max_failures: Any, retry: Any, batch: Any) -> None:
    if on_error not in ("raise", "record"):
        raise ValueError(f'on_error must be "raise" or "record", received {on_error!r}')
    if max_failures is not None and (isinstance(max_failures, bool) or max_failures < 0):
        raise ValueError(
            f"max_failures must be a number of items or a fraction, received {max_failures!r}"
        )
    if retry not in (None, "failed"):
        raise ValueError(f'retry must be None or "failed", received {retry!r}')
    if batch is not None and batch != "auto" and not (isinstance(batch, int) and batch > 0):
        raise ValueError(f'batch must be None, "auto" or a positive number, received {batch!r}')


def _judge(
    results: MapResults | MapValues,
    size: int,
    label: str,
    *,
    on_error: str,
    max_failures: float | None,
) -> None:
    """Raise if more items failed than are allowed."""
    failures = results.failures
    if max_failures is None:
        allowed = len(failures) if on_error == "record" else 0
    else:
        allowed = max_failures * size if 0 < max_failures < 1 else max_failures
    if len(failures) <= allowed:
        return
    lines = [str(failure) for failure in failures[:SHOWN_FAILURES]]
    if len(failures) > SHOWN_FAILURES:
        lines.append(f"... and {len(failures) - SHOWN_FAILURES} more")
    told = "\n  ".join(lines)
    error = MapFailedError(
        f"{label} must succeed for all but {allowed:g} of {size} items, received "
        f"{len(failures)} failures (all other results are stored):\n  {told}\n"
        'correct what is wrong and run again; on_error="record" leaves such items out, '
        'retry="failed" tries them again unchanged'
    )
    error.results = results
    raise error
