"""What the parts of a map hand to each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

FailureKind = Literal["calculation", "infrastructure", "timeout", "memory", "killed"]
"""Why an item has no result: ``calculation`` is the function's own error, the others are not."""

INFRASTRUCTURE: frozenset[str] = frozenset({"infrastructure", "timeout", "memory", "killed"})
"""Kinds of failure that another attempt may cure."""


class Place(NamedTuple):
    """Where a record lies: a segment of the store, and a range of bytes in it."""

    segment: str
    offset: int
    size: int


class Entry(NamedTuple):
    """What the index of the store knows of one result.

    Attributes
    ----------
    key : 20 bytes
    status : ``"ok"`` or ``"failed"``
    seconds : wall time that the item took
    attempts : how often it has been tried
    """

    key: bytes
    status: str
    place: Place
    seconds: float = 0.0
    attempts: int = 1


@dataclasses.dataclass(slots=True)
class ItemRecord:
    """One record of a segment.

    Attributes
    ----------
    key : key of the item, 20 bytes
    recipe : id of everything in the key but structure and seed, 20 bytes
    structure : hash of the item, 16 bytes
    status : ``"ok"``, ``"failed"`` or ``"recipe"``
    body : encoded result, failure or recipe
    """

    key: bytes
    recipe: bytes
    structure: bytes
    status: str
    body: bytes
    seconds: float = 0.0
    attempts: int = 1


@dataclasses.dataclass(slots=True)
class Work:
    """One item that has to be computed.

    Attributes
    ----------
    key, structure : key of the first result that is missing, and the hash of the item alone
    item : what the function is called with; it is free to change it
    seed : of this item; None if the function does not ask for one
    variant, step : which setting of the sweep, and which of the functions comes first
    attempts : how often it has been tried before
    row : of the item in the input, for whoever has that
    """

    key: bytes
    structure: bytes
    item: Any
    seed: int | None = None
    variant: int = 0
    step: int = 0
    attempts: int = 0
    row: int = -1


class Done(NamedTuple):
    """One step of an item that came to its end; the record is in the store already.

    Attributes
    ----------
    key, recipe, structure, status, place, seconds, attempts : as in the record
    origin : key of the work that it belongs to
    last : whether the work is at its end
    """

    key: bytes
    recipe: bytes
    structure: bytes
    status: str
    place: Place
    seconds: float
    attempts: int
    origin: bytes
    last: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Lost:
    """Work that a worker took and did not report: it died, or was stopped.

    Attributes
    ----------
    keys : of the works, in the order in which they were to be computed
    kind, message : why; of the first that has no record, the others had not begun
    blame : whether the first without a record had begun; not so if the worker was told to stop
    """

    keys: tuple[bytes, ...]
    kind: FailureKind
    message: str
    blame: bool = True
    host: str = ""
    job: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """Why an item has no result.

    Attributes
    ----------
    row : its place in the input
    kind : class of the failure
    type, message, traceback : of the exception
    attempts : how often the item has been tried
    host, job : where the last attempt ran
    seconds : wall time of the last attempt
    kept_files : files that were kept for inspection
    setting : of the sweep
    """

    row: int
    kind: FailureKind
    type: str
    message: str
    traceback: str = ""
    attempts: int = 1
    host: str = ""
    job: str = ""
    seconds: float = 0.0
    kept_files: tuple[str, ...] = ()
    setting: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        """Return the failure as plain values."""
        return dataclasses.asdict(self) | {"kept_files": list(self.kept_files)}

    @classmethod
    def from_json(
        cls, values: Mapping[str, Any], row: int, setting: Mapping[str, Any] | None = None
    ) -> Failure:
        """Return a failure from plain values, for the given place in the input."""
        known = {f.name for f in dataclasses.fields(cls)} - {"row", "kept_files", "setting"}
        fields = {name: value for name, value in values.items() if name in known}
        kept = tuple(values.get("kept_files", ()))
        return cls(row=row, kept_files=kept, setting=dict(setting or {}), **fields)

    def __str__(self) -> str:
        tries = f", {self.attempts} attempts" if self.attempts > 1 else ""
        place = f"item {self.row}" + (f" under {dict(self.setting)}" if self.setting else "")
        return f"{place} ({self.kind}{tries}): {self.type}: {self.message}"
