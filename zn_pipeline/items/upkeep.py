"""What a store holds, whether it is whole, and why a result is not in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

from zn_pipeline.errors import PipelineError
from zn_pipeline.fingerprint.recipe import Recipe, differences
from zn_pipeline.items.index import segment_files
from zn_pipeline.items.segment import FAILED, OK, RECIPE, STATUS, DamagedError
from zn_pipeline.items.store import ItemStore

_MAX_NEAREST: Final = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Damage:
    """A range of bytes of a segment that cannot be read."""

    segment: str
    start: int
    stop: int

    def __str__(self) -> str:
        return f"{self.segment}: bytes {self.start} to {self.stop} cannot be read"


@dataclasses.dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found when every byte of a store was read.

    Attributes
    ----------
    n_ok, n_failed : results and failures that are whole
    damaged : what could not be read
    lost : keys that the index knew and that are gone; they count as not done
    torn : segments that end in an unfinished record, as a killed writer leaves them
    not_deterministic : keys with two results that differ
    """

    n_ok: int
    n_failed: int
    damaged: tuple[Damage, ...]
    lost: tuple[bytes, ...]
    torn: tuple[str, ...]
    not_deterministic: tuple[bytes, ...]

    @property
    def clean(self) -> bool:
        """Whether everything that was ever written whole is there."""
        return not self.damaged and not self.lost


@dataclasses.dataclass(frozen=True, slots=True)
class FunctionCount:
    """How many items one function has in the store, and their seconds of computing."""

    function: str
    n_ok: int
    n_failed: int
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class StoreStatus:
    """What a store holds.

    Attributes
    ----------
    folder : where it lies
    functions : what its items were made by, the most first
    n_segments, n_bytes : files of records
    n_growing : segments whose writer may be at work
    owners : drivers that hold leases, and how many
    damaged, not_deterministic : see :class:`VerifyReport`
    """

    folder: str
    functions: tuple[FunctionCount, ...]
    n_segments: int
    n_bytes: int
    n_growing: int
    owners: dict[str, int]
    damaged: tuple[Damage, ...]
    not_deterministic: tuple[bytes, ...]

    @property
    def n_ok(self) -> int:
        """Number of results."""
        return sum(item.n_ok for item in self.functions)

    @property
    def n_failed(self) -> int:
        """Number of failures."""
        return sum(item.n_failed for item in self.functions)


def verify(store: ItemStore) -> VerifyReport:
    """Read every byte of a store and compare it with the index, which is mended if need be."""
    query = f"SELECT key FROM items WHERE status<>{RECIPE}"
    before = {key for (key,) in store.index.select(query)}
    store.index.refresh(thorough=True)
    after = {key for (key,) in store.index.select(query)}
    counts = dict(store.index.select("SELECT status, count(*) FROM items GROUP BY status"))
    return VerifyReport(
        n_ok=counts.get(OK, 0),
        n_failed=counts.get(FAILED, 0),
        damaged=_damaged(store),
        lost=tuple(sorted(before - after)),
        torn=tuple(item.name for item in store.index.known().values() if item.torn),
        not_deterministic=_not_deterministic(store),
    )


def status(store: ItemStore) -> StoreStatus:
    """Return what a store holds."""
    store.refresh()
    files = dict(segment_files(store.segments))
    return StoreStatus(
        folder=str(store.folder),
        functions=_functions(store),
        n_segments=len(files),
        n_bytes=sum(size for size, _ in files.values()),
        n_growing=sum(store.may_grow(item) for item in store.index.known().values()),
        owners=store.leases.living(),
        damaged=_damaged(store),
        not_deterministic=_not_deterministic(store),
    )


def _functions(store: ItemStore) -> tuple[FunctionCount, ...]:
    rows = store.index.select(
        "SELECT recipes.recipe, status, count(*), sum(seconds) FROM items "
        f"JOIN recipes ON items.recipe=recipes.id WHERE status<>{RECIPE} GROUP BY items.recipe, "
        "status"
    )
    totals: dict[str, list[float]] = {}
    for identity, code, count, seconds in rows:
        total = totals.setdefault(_title(store, identity), [0, 0, 0.0])
        total[0 if code == OK else 1] += count
        total[2] += seconds
    found = [FunctionCount(name, int(a), int(b), time) for name, (a, b, time) in totals.items()]
    return tuple(sorted(found, key=lambda item: (-item.n_ok - item.n_failed, item.function)))


def _title(store: ItemStore, recipe: bytes) -> str:
    text = store.recipe(recipe)
    if text is None:
        return f"recipe {recipe.hex()[:12]}, whose text is not here"
    engine = text.get("engine")
    named = engine.get("$class") if isinstance(engine, dict) else None
    function = str(text.get("function"))
    return f"{function} with {named}" if named else function


def _damaged(store: ItemStore) -> tuple[Damage, ...]:
    query = "SELECT name, start, stop FROM damaged JOIN segments ON segment=id ORDER BY name, start"
    return tuple(Damage(*row) for row in store.index.select(query))


def _not_deterministic(store: ItemStore) -> tuple[bytes, ...]:
    query = "SELECT DISTINCT key FROM copies WHERE NOT same ORDER BY key"
    return tuple(key for (key,) in store.index.select(query))


def explain(
    store: ItemStore, recipe: Recipe, structure: bytes, seed: int | None = None
) -> list[str]:
    """Say why there is, or is not, a result for a structure.

    Parameters
    ----------
    recipe : what is to be done with it
    structure : its hash
    seed : that the result depends on

    Returns
    -------
    list of str
        The state first; then, for the nearest results of the same structure, what differs.
    """
    store.refresh()
    key = recipe.key(structure, seed)
    entry = store.index.find([key]).get(key)
    if entry is not None:
        done = "done" if entry.status == "ok" else "failed, and is not tried again unless asked"
        tries = f", {entry.attempts} attempts" if entry.attempts > 1 else ""
        return [f"{done} ({entry.seconds:.3g} s{tries}), key {key.hex()}"]
    others = _same_structure(store, structure)
    if not others:
        known = _count(store, recipe.id)
        return [
            "not done: the structure is new"
            + (f"; {known} others have been done this way" if known else ", and so is the recipe")
        ]
    lines = ["not done; for the same structure there is:"]
    nearest: list[tuple[int, str]] = []
    for identity, statuses in others.items():
        if identity == recipe.id:
            nearest.append((0, f"a {statuses} with another seed"))
            continue
        text = store.recipe(identity)
        if text is None:
            nearest.append((1000, f"a {statuses} of a recipe whose text is not here"))
            continue
        said = differences(text, recipe.text)
        same_function = text.get("function") == recipe.text.get("function")
        nearest.append((len(said) + 100 * (not same_function), f"a {statuses}: " + "; ".join(said)))
    return lines + [line for _, line in sorted(nearest)[:_MAX_NEAREST]]


def _same_structure(store: ItemStore, structure: bytes) -> dict[bytes, str]:
    rows = store.index.select(
        "SELECT recipes.recipe, min(status) FROM items JOIN recipes ON items.recipe=recipes.id "
        f"WHERE structure=? AND status<>{RECIPE} GROUP BY items.recipe",
        (structure,),
    )
    return {identity: "result" if code == OK else "failure" for identity, code in rows}


def _count(store: ItemStore, recipe: bytes) -> int:
    query = (
        "SELECT count(*) FROM items JOIN recipes ON items.recipe=recipes.id "
        f"WHERE recipes.recipe=? AND status<>{RECIPE}"
    )
    count: int = store.index.select(query, (recipe,))[0][0]
    return count


def describe(store: ItemStore, prefix: str) -> list[str]:
    """Say what is known of a result.

    Parameters
    ----------
    prefix : the first digits of its key, hexadecimal

    Raises
    ------
    PipelineError
        If no key begins so, or more than one.
    """
    store.refresh()
    row = _only(prefix, _beginning_with(store, prefix))
    key, code, seconds, attempts, identity, structure = row
    lines = [f"key        {key.hex()}"]
    lines.append(f"status     {STATUS[code]}, {seconds:.3g} s, attempts: {attempts}")
    lines.append(f"structure  {structure.hex()}")
    lines.append(f"function   {_title(store, identity)}")
    text = store.recipe(identity) or {}
    lines += [
        f"  {name}: {text[name]}" for name in sorted(text) if text[name] not in (None, {}, [])
    ]
    if code == FAILED:
        lines.append(f"failure    {_failure(store, key)}")
    for other, statuses in _same_structure(store, structure).items():
        if other != identity:
            said = differences(store.recipe(other) or {}, text)
            lines.append(f"there is also a {statuses} of the same structure: {'; '.join(said)}")
    return lines


def _beginning_with(store: ItemStore, prefix: str) -> list[tuple[Any, ...]]:
    return store.index.select(
        "SELECT key, status, seconds, attempts, recipes.recipe, structure FROM items "
        "JOIN recipes ON items.recipe=recipes.id WHERE substr(hex(key), 1, ?)=? LIMIT 2",
        (len(prefix), prefix.upper()),
    )


def _only(prefix: str, rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    if len(rows) != 1:
        found = "more than one" if rows else "none"
        raise PipelineError(
            f"one key in the store must begin with {prefix!r}, received {found}; keys stand in "
            "the .keys file beside each published file"
        )
    return rows[0]


def _failure(store: ItemStore, key: bytes) -> str:
    entry = store.index.find([key]).get(key)
    try:
        values = store.read(entry.place, key) if entry is not None else {}
    except DamagedError as error:
        return str(error)
    return f"({values.get('kind')}) {values.get('type')}: {values.get('message')}"
