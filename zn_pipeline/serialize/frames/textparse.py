"""Extended XYZ text -> one frame: what `textformat` wrote exactly, all else as ASE reads it."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import Any, Final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.data import atomic_numbers
from ase.io.extxyz import read_xyz

from .layout import Origin
from .snapshot import assemble, take_apart
from .textformat import BOOL_WORDS, CONFIG_RESULTS, MARKER, NEST_KEY
from .values import from_json

_Found = dict[tuple[Origin, str], Any]

_PAIRS: Final = re.compile(
    r'([A-Za-z_][A-Za-z0-9_.-]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"\'{}\[\]\\]+))\s*'
)
_ESCAPED: Final = re.compile(r"\\(.)")
_TYPES: Final = {"R": np.float64, "I": np.int64}


def decode_frame(text: str) -> Atoms:
    """One frame from its lines.

    Raises
    ------
    ValueError
        The lines are no extended XYZ.
    """
    if f" {MARKER}=" in text.split("\n", 2)[1]:
        ours = _own_values(text)
        if ours is not None:
            return assemble((origin, key, value) for (origin, key), value in ours.items())
    atoms = next(iter(read_xyz(StringIO(text), index=0)))
    atoms.info.pop(NEST_KEY, None)
    own = atoms.info.pop(MARKER, None)
    if not isinstance(own, dict):
        return atoms
    found: _Found = {(origin, key): value for origin, key, value in take_apart(atoms)}
    _restore(found, own)
    return assemble((origin, key, value) for (origin, key), value in found.items())


def _own_values(text: str) -> _Found | None:
    """All values of a frame of ours, None if another program has written it anew."""
    head, line, *rows = text.rstrip("\n").split("\n")
    pairs = _split_pairs(line.strip())
    if pairs is None or "Properties" not in pairs or "pbc" not in pairs:
        return None
    pairs.pop(NEST_KEY, None)
    own = _own(pairs.pop(MARKER))
    if own is None or len(rows) < int(head):
        return None
    found: _Found = {}
    found["atoms", "pbc"] = np.array([one == "T" for one in pairs.pop("pbc").split()])
    cell = np.array(pairs.pop("Lattice", "0 " * 9).split(), dtype=np.float64).reshape(3, 3)
    found["atoms", "cell"] = cell
    if not _columns(pairs.pop("Properties"), rows[: int(head)], found):
        return None
    for key, value in pairs.items():
        origin: Origin = "calc" if key in CONFIG_RESULTS else "info"
        found[origin, key] = _stress(value) if key == "stress" else _value(value)
    _restore(found, own)
    return found


def _restore(found: _Found, own: dict[str, Any]) -> None:
    """Give back the types that the text could not show, and the values that it has no room for."""
    hints = own.get("types", {})
    for origin, key in found if hints else ():
        hint = hints.get(f"{origin}/{key}")
        if hint is not None:
            found[origin, key] = _typed(found[origin, key], hint)
    for origin, key, value in own.get("values", ()):
        found[origin, key] = from_json(value)


def _split_pairs(line: str) -> dict[str, str] | None:
    pairs: dict[str, str] = {}
    end = 0
    for match in _PAIRS.finditer(line):
        if match.start() != end:
            return None
        end = match.end()
        key, inside, bare = match.groups()
        if inside is not None and "\\" in inside:
            inside = _ESCAPED.sub(r"\1", inside)
        pairs[key] = bare if inside is None else inside
    return pairs if end == len(line) else None


def _own(text: str) -> dict[str, Any] | None:
    try:
        own = json.loads(text.removeprefix("_JSON "))
    except json.JSONDecodeError:
        return None
    return own if isinstance(own, dict) else {}


def _columns(properties: str, rows: list[str], found: _Found) -> bool:
    fields = properties.split(":")
    table = [row.split() for row in rows]
    at = 0
    for name, letter, width in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
        stop = at + int(width)
        if name == "move_mask" or letter not in "RILS":
            return False
        shape = (len(table),) if width == "1" else (len(table), int(width))
        cells = [cell for row in table for cell in row[at:stop]]
        at = stop
        if name == "species":
            numbers = [atomic_numbers[symbol] for symbol in cells]
            found["atoms", "numbers"] = np.array(numbers, dtype=np.int64)
            continue
        if letter == "L":
            array = np.array([BOOL_WORDS[cell] for cell in cells], dtype=bool)
        elif letter == "S":
            array = np.array(cells, dtype=str)
        else:
            parse = float if letter == "R" else int
            array = np.array([parse(cell) for cell in cells], dtype=_TYPES[letter])
        found[_place(name)] = array.reshape(shape)
    return ("atoms", "numbers") in found and ("atoms", "positions") in found


def _place(name: str) -> tuple[Origin, str]:
    if name == "pos":
        return "atoms", "positions"
    if name == "charge":
        return "calc", "charges"
    return ("calc" if name in all_properties else "arrays"), name


def _stress(text: str) -> np.ndarray:
    return np.array([float(one) for one in text.split()])[[0, 4, 8, 5, 2, 1]]


def _value(text: str) -> Any:
    """Value of a pair, as ASE reads it but with Python's own numbers."""
    if text.startswith("_JSON "):
        value = json.loads(text[6:])
        array = np.array(value) if isinstance(value, list) else None
        return array if array is not None and array.dtype.kind in "ifb" else value
    words = text.replace(",", " ").split()
    for parse in (int, float):
        try:
            numbers = [parse(word) for word in words]
        except ValueError:
            continue
        return numbers[0] if len(numbers) == 1 else np.array(numbers)
    if words and all(word in BOOL_WORDS for word in words):
        bools = [BOOL_WORDS[word] for word in words]
        return bools[0] if len(bools) == 1 else bools
    return text


def _typed(value: Any, hint: str) -> Any:
    if hint == "list":
        return value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(value, np.ndarray):
        return value.astype(hint)
    return np.dtype(hint).type(value) if isinstance(value, int | float) else value
