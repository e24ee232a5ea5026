"""The outputs of a map: from records in the store to structures in memory or in files."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, cast

from ase import Atoms

from zn_pipeline.items.results import MapResults, MapValues
from zn_pipeline.items.run import MapRun
from zn_pipeline.items.visible import complete
from zn_pipeline.serialize.frames import Frames
from zn_pipeline.serialize.frames.nesting import NestingRecorder
from zn_pipeline.serialize.frames.outputs import FramesOutput
from zn_pipeline.serialize.frames.sources import ListSource

CHUNK = 1000


def collect(
    run: MapRun,
    *,
    out: Any = None,
    tags: Mapping[str, Any] | None = None,
    lasting: bool = True,
) -> MapResults | MapValues:
    """Return the outputs of a run, in the order of its input.

    Parameters
    ----------
    run : after it was executed
    out : where structures go; None for memory
    tags : entries for ``Atoms.info`` of each output
    lasting : whether the store is there later
    """
    facts: dict[str, Any] = {"failures": run.failures(), "report": run.report()}
    if out is not None:
        return _in_files(run, out, dict(tags or {}), facts, lasting=lasting)
    outputs = _Outputs(run, dict(tags or {}))
    values = list(outputs.each())
    if all(_is_structures(value) for value in values) and (
        run.items.of_structures or any(value is not None for value in values)
    ):
        frames: list[Atoms] = []
        recorder = NestingRecorder()
        _gather(outputs.arrange(values), frames, recorder)
        source = ListSource(frames, recorder.root())
        return MapResults.of(Frames.from_source(source), outputs.origins(), **facts)
    rows = [row for row, value in enumerate(values) if value is not None]
    made = MapValues([values[row] for row in rows], rows, **facts)
    if len(run.call.variants) > 1:
        _, settings = outputs.origins()
        made.settings = [[settings.pop(0) for _ in value] for value in made]
    return made


def _in_files(
    run: MapRun, out: Any, tags: dict[str, Any], facts: dict[str, Any], *, lasting: bool
) -> MapResults:
    """Write the outputs, unless the files hold them already."""
    given = FramesOutput.from_any(out)
    target = FramesOutput(given.target, tags={**given.tags, **tags}, provenance=given.provenance)
    outputs, inputs = _Outputs(run, {}), run.items.as_frames()
    # What failed or is pending has no key in the list: the files are not current once it has.
    keys = [*run.ledger.keys(), run.content]
    if target.is_current(keys, inputs=inputs):
        written = target.frames(inputs)
        origins = partial(_origins_of, outputs) if lasting else _origins_of(outputs)
        return MapResults.of(written, origins, **facts)
    if inputs is None:
        written = target.write(outputs.arrange(outputs.each()), keys)
    else:
        written = target.write_results(inputs, outputs.each(), keys)
    return MapResults.of(written, outputs.origins(), **facts)


def _is_structures(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(member, Atoms) for member in cast("list[Any]", value))
    return value is None or isinstance(value, Atoms)


def _gather(entries: Iterable[Any], frames: list[Atoms], recorder: NestingRecorder) -> None:
    for entry in entries:
        if isinstance(entry, Atoms):
            frames.append(entry)
            recorder.frames()
            continue
        recorder.begin()
        _gather(entry, frames, recorder)
        recorder.end()


def _origins_of(outputs: _Outputs) -> tuple[list[int], list[dict[str, Any]]]:
    for _ in outputs.each():
        pass
    return outputs.origins()


class _Outputs:
    """Outputs of the rows of a run; of several settings, a list of those of all."""

    def __init__(self, run: MapRun, tags: dict[str, Any]) -> None:
        self._run = run
        self._tags = tags
        self._variants = len(run.call.variants)
        self.rows = array("q")
        self.variants = array("q")

    def each(self) -> Iterator[Any]:
        """Yield the output of each row, None where there is none; note whence each member is."""
        run, variants = self._run, self._variants
        self.rows, self.variants = array("q"), array("q")
        for begin in range(0, len(run.items), CHUNK):
            rows = range(begin, min(begin + CHUNK, len(run.items)))
            units = range(rows.start * variants, rows.stop * variants)
            places = [run.ledger.place(unit) for unit in units]
            found = iter(run.store.read_many([place for place in places if place is not None]))
            items = run.items.read(rows) if self._needs_items(units) else [None] * len(rows)
            values = [
                None if place is None else self._finished(unit, next(found), items)
                for unit, place in zip(units, places, strict=True)
            ]
            for unit, value in zip(units, values, strict=True):
                count = len(_members(value))
                self.rows.extend([run.row(unit)] * count)
                self.variants.extend([unit % variants] * count)
            if variants == 1:
                yield from values
                continue
            for at in range(0, len(values), variants):
                yield _joined(values[at : at + variants])

    def _needs_items(self, units: range) -> bool:
        chains = self._run.chains
        return any(
            step.reads != "all" for steps in self._run.call.variants for step in steps
        ) or any(unit in chains for unit in units)

    def _finished(self, unit: int, value: Any, items: list[Any]) -> Any:
        """Give an output what its function did not get to see, and the tags."""
        run = self._run
        steps = run.call.variants[unit % self._variants]
        before = items[run.row(unit) % CHUNK]
        for place, step in zip(run.chains.get(unit, ()), steps, strict=False):
            before = complete(run.store.read(place), before, step.reads)
        reached = len(run.chains.get(unit, ()))
        value = complete(value, before, steps[reached].reads)
        if self._tags:
            for member in value if isinstance(value, list) else [value]:
                if isinstance(member, Atoms):
                    member.info.update(self._tags)
        return value

    def arrange(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield the outputs in the groups of the input."""
        frames = self._run.items.frames
        if frames is not None:
            yield from frames.arrange(values)
        else:
            yield from (value for value in values if value is not None)

    def origins(self) -> tuple[list[int], list[dict[str, Any]]]:
        """Return row and setting of each output that was yielded."""
        settings = self._run.call.settings
        return self.rows.tolist(), [dict(settings[number]) for number in self.variants]


def _joined(values: list[Any]) -> list[Any]:
    """Return the outputs of all settings as one list."""
    return [member for value in values for member in _members(value)]


def _members(value: Any) -> list[Any]:
    """Return the structures of an output, or a plain value as the only one."""
    if value is None:
        return []
    return value if isinstance(value, list) and _is_structures(value) else [value]
