"""Recipe: everything in the key of a result but the structure and the seed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from zn_pipeline.records import Json

SCHEMA = 1
"""Number of the rules by which keys are made; another one makes all of them new."""

_FOR_PEOPLE = frozenset({"paths", "place"})


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is done with a structure.

    Attributes
    ----------
    id : 20 bytes, equal if and only if all that counts in ``text`` is
    text : plain data, for people and for :func:`differences`: schema, function, code, codes,
        params, arguments, engine, versions, files, reads; and, which do not count, place (module of
        the function) and paths (of the files)
    """

    id: bytes
    text: dict[str, Any]

    @classmethod
    def of(cls, text: dict[str, Any]) -> Recipe:
        """Return the recipe of a text."""
        counted = {name: text[name] for name in text if name not in _FOR_PEOPLE}
        return cls(hashlib.blake2b(_plain(counted).encode(), digest_size=20).digest(), text)

    def key(self, structure: bytes, seed: int | None) -> bytes:
        """Return the key of one result, 20 bytes."""
        tail = b"" if seed is None else b"%d" % seed
        return hashlib.blake2b(self.id + structure + tail, digest_size=20).digest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return sentences that say how two recipes differ, given their texts.

    As in ``code of label changed``, ``ase 3.28.0 -> 3.29.0``, ``params.cutoff 200 -> 300``,
    ``content of file model.json changed``; empty if nothing that counts differs.
    """
    said: list[str] = []
    if old.get("schema") != new.get("schema"):
        said.append(f"rules of keys {old.get('schema')} -> {new.get('schema')}")
    if old.get("function") != new.get("function"):
        said.append(f"function {old.get('function')} -> {new.get('function')}")
    elif old.get("code") != new.get("code"):
        said.append(_code(str(new.get("function")), old.get("code"), new.get("code")))
    for name, before, after in _changed(old.get("codes"), new.get("codes")):
        said.append(_code(name, before, after))
    for name, before, after in _changed(old.get("versions"), new.get("versions")):
        said.append(f"{name} {before or 'not used'} -> {after or 'not used'}")
    for place, before, after in _changed(old.get("files"), new.get("files")):
        path = (new if after else old).get("paths", {}).get(place, place)
        name = path.rstrip("/").rpartition("/")[2]
        how = "changed" if before and after else "is new" if after else "is no longer used"
        said.append(f"content of file {name} changed" if how == "changed" else f"file {name} {how}")
    for part in ("engine", "params", "arguments"):
        said.extend(_values(part, old.get(part), new.get(part)))
    if old.get("reads") != new.get("reads"):
        said.append(f"reads {_shown(old.get('reads'))} -> {_shown(new.get('reads'))}")
    return said


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _code(name: str, before: Json, after: Json) -> str:
    texts = [str(value) for value in (before, after) if value is not None]
    if len(texts) == 2 and all(text.startswith("version ") for text in texts):
        return f"code of {name}: {texts[0]} -> {texts[1]}"
    if len(texts) == 1:
        return f"code of {name} {'is new' if before is None else 'is no longer used'}"
    return f"code of {name} changed"


def _changed(old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    before, after = dict(old or {}), dict(new or {})
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield name, before.get(name), after.get(name)


_NONE = object()


def _values(name: str, old: Any, new: Any) -> Iterator[str]:
    """Yield a sentence for each value that differs, at any depth."""
    if _NONE not in (old, new) and _plain(old) == _plain(new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        if "$file" in old and "$file" in new:  # said by its name already
            return
        for key in sorted(old.keys() | new.keys()):
            label = f"{name} class" if key == "$class" else f"{name}.{key}"
            yield from _values(label, old.get(key, _NONE), new.get(key, _NONE))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for row, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _values(f"{name}[{row}]", before, after)
    elif old is _NONE:
        yield f"{name} is new: {_shown(new)}"
    elif new is _NONE:
        yield f"{name} is gone: {_shown(old)}"
    else:
        yield f"{name} {_shown(old)} -> {_shown(new)}"


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
