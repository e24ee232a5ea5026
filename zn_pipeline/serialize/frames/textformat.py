"""One frame <-> extended XYZ text, exact in every number and type.

What is written is the extended XYZ that ASE and other programs read: floats as the shortest text
that gives the same number again (up to 17 digits), vectors and tables as the format has them,
lists and dicts as ``_JSON``. The key ``zn_pipeline`` of the comment line holds what the format has
no room for, as JSON: ``types``, the type of values that would come back as another type, and
``values``, those that cannot stand in the line or the table at all. Nothing is stored twice, so
another program may change the file. The key ``zn_nest`` is explained in `textfiles`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.data import chemical_symbols
from ase.io.extxyz import per_config_properties

from .layout import Origin
from .snapshot import EXTRAS, take_apart
from .values import is_plain, to_json

MARKER: Final = "zn_pipeline"
NEST_KEY: Final = "zn_nest"

CONFIG_RESULTS: Final = frozenset(per_config_properties)
"""Results that stand in the comment line; the others of ASE's properties are columns."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SAFE_TEXT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:;/+-]*(?: [A-Za-z0-9_.:;/+-]+)*")
_RESERVED: Final = frozenset(
    {"Lattice", "Properties", "pbc", "uid", "stress", "virial", "comment", MARKER, NEST_KEY}
) | frozenset(all_properties)
_RESERVED_COLUMNS: Final = frozenset(
    {"species", "pos", "Z", "symbols", "numbers", "positions", "charge", "move_mask"}
    | {"initial_charges", *all_properties}
)
_BOOLS: Final = {"T": True, "F": False, "true": True, "false": False}
BOOL_WORDS: Final = {**_BOOLS, "True": True, "False": False, "TRUE": True, "FALSE": False}

_XYZ_INTEGER: Final = 2**31
_VOIGT: Final = [0, 5, 4, 5, 1, 3, 4, 3, 2]
"""Places in (xx, yy, zz, yz, xz, xy) of the nine entries of a symmetric 3x3 matrix."""


def encode_frame(atoms: Atoms) -> tuple[str, str]:
    """Comment line and table of a frame, both without the final newline.

    Raises
    ------
    TypeError
        A value has a type that cannot be stored.
    """
    text = _FrameText(len(atoms))
    for origin, key, value in take_apart(atoms):
        if not text.add(origin, key, value):
            text.keep(origin, key, value)
    return text.comment(), text.table()


class _FrameText:
    """Collects the pieces of one frame."""

    def __init__(self, n_atoms: int) -> None:
        self._n_atoms = n_atoms
        self._lattice = ""
        self._pairs: list[str] = []
        self._properties = ["species:S:1", "pos:R:3"]
        self._fields = {"species", "pos0", "pos1", "pos2"}
        self._columns: list[list[str]] = [["X"] * n_atoms]
        self._types: dict[str, str] = {}
        self._values: list[tuple[Origin, str, Any]] = []

    def add(self, origin: Origin, key: str, value: Any) -> bool:
        """Put a value in its place in the format; False if it has none there."""
        if origin == "atoms":
            return self._add_own(key, value)
        if origin == "info":
            return key not in _RESERVED and self._pair(origin, key, value)
        if origin == "calc":
            if key == "stress":
                return self._stress(value)
            if key in CONFIG_RESULTS:
                return self._pair(origin, key, value)
            if key not in all_properties:
                return False
            return self._column(origin, key, "charge" if key == "charges" else key, value)
        return key not in _RESERVED_COLUMNS and self._column(origin, key, key, value)

    def keep(self, origin: Origin, key: str, value: Any) -> None:
        """Store a value under the key of this package."""
        try:
            self._values.append((origin, key, to_json(value)))
        except TypeError as error:
            raise TypeError(f"{origin} {key!r}: {error}") from error

    def comment(self) -> str:
        """All pieces of the second line."""
        own = {"types": self._types, "values": self._values}
        held = {name: content for name, content in own.items() if content}
        marker = quoted("_JSON " + json.dumps(held)) if held else "1"
        properties = "Properties=" + ":".join(self._properties)
        return " ".join([*([self._lattice] if self._lattice else []), properties, *self._pairs]) + (
            f" {MARKER}={marker}"
        )

    def table(self) -> str:
        """One line per atom."""
        return "\n".join(map(" ".join, zip(*self._columns, strict=True)))

    def _add_own(self, key: str, value: Any) -> bool:
        if key == "numbers":
            if self._n_atoms and not 0 <= value.min() <= value.max() < len(chemical_symbols):
                return False
            self._columns[0] = [chemical_symbols[number] for number in value.tolist()]
            return value.dtype == np.int64
        if key == "positions":
            self._columns.insert(1, [" ".join(map(repr, row)) for row in value.tolist()])
        elif key == "cell":
            if value.any():
                self._lattice = f'Lattice="{_joined(value)}"'
        elif key == "pbc":
            self._pairs.append('pbc="{} {} {}"'.format(*("FT"[int(one)] for one in value)))
        return key != EXTRAS

    def _pair(self, origin: Origin, key: str, value: Any) -> bool:
        found = _plain_text(value) if _NAME.fullmatch(key) else None
        if found is None:
            return False
        text, hint = found
        if hint:
            self._types[f"{origin}/{key}"] = hint
        self._pairs.append(f"{key}={text}")
        return True

    def _stress(self, value: Any) -> bool:
        if not _is_floats(value) or value.shape != (6,):
            return False
        self._pairs.append(f'stress="{_joined(value[_VOIGT])}"')
        return True

    def _column(self, origin: Origin, key: str, name: str, value: Any) -> bool:
        if not isinstance(value, np.ndarray) or not self._n_atoms or not _NAME.fullmatch(name):
            return False
        count = value.shape[1] if value.ndim == 2 else 1
        if value.ndim > 2 or (value.ndim == 2 and count < 2) or len(value) != self._n_atoms:
            return False
        fields = {name} if count == 1 else {f"{name}{column}" for column in range(count)}
        letter = _letter(value)
        if not letter or fields & self._fields:
            return False
        self._fields |= fields
        default = {"R": "<f8", "I": "<i8", "L": "|b1"}.get(letter)
        if value.dtype.str != default:
            self._types[f"{origin}/{key}"] = value.dtype.str
        self._properties.append(f"{name}:{letter}:{count}")
        entry = {"R": repr, "I": str, "L": lambda one: "FT"[one], "S": str}[letter]
        if count == 1:
            self._columns.append([entry(one) for one in value.ravel().tolist()])
        else:
            self._columns.append([" ".join(map(entry, row)) for row in value.tolist()])
        return True


def _letter(value: np.ndarray) -> str:
    """Type of a column in the format, "" if it has none for these values."""
    kind = value.dtype.kind
    if kind == "f" and value.dtype.itemsize <= 8:
        return "R"
    if kind in "iu":
        return "I" if np.abs(value.astype(float)).max() < _XYZ_INTEGER else ""
    if kind == "b":
        return "L"
    if kind == "U" and all(re.fullmatch(r"[!-~]+", one) for one in value.ravel().tolist()):
        return "S"
    return ""


def _is_floats(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float64


def _joined(values: np.ndarray) -> str:
    return " ".join(map(repr, values.ravel().tolist()))


def quoted(text: str) -> str:
    """`text` in quotes, with a backslash before each quote and backslash."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain_text(value: Any) -> tuple[str, str] | None:
    """Value of a pair and what is to be known of its type, None if it cannot stand there."""
    kind = type(value)
    if kind is bool:
        return "FT"[value], ""
    if kind is float:
        return repr(value), ""
    if kind is int:
        return (str(value), "") if abs(value) < 2**63 else None
    if kind is str:
        return (quoted(value) if _is_safe(value) else quoted("_JSON " + json.dumps(value))), ""
    if isinstance(value, np.ndarray):
        return _array_text(value)
    if isinstance(value, np.generic):
        kept = value.dtype.kind in "biuf" and value.dtype.itemsize <= 8
        text = _plain_text(value.item()) if kept else None
        return (text[0], value.dtype.str) if text else None
    if kind is list and value and {type(one) for one in value} in ({int}, {float}):
        if all(abs(one) < 2**63 or isinstance(one, float) for one in value):
            return quoted("_JSON " + json.dumps(value)), "list"
        return None
    texts = kind is list and value and all(type(one) is str for one in value)
    if texts or (kind is dict and is_plain(value)):
        return quoted("_JSON " + json.dumps(value)), ""
    return None


def _array_text(value: np.ndarray) -> tuple[str, str] | None:
    dtype = value.dtype
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or not value.ndim:
        return None
    if value.size == 0 and value.ndim > 1:
        return None
    if dtype.kind == "u" and value.size and value.max() >= 2**63:
        return None
    hint = "" if value.size and dtype.str in ("<f8", "<i8", "|b1") else dtype.str
    if value.ndim == 1 and value.size > 1 and dtype.kind != "b":
        return '"' + " ".join(map(repr, value.tolist())) + '"', hint
    return quoted("_JSON " + json.dumps(value.tolist())), hint


def _is_safe(text: str) -> bool:
    """Whether a text in quotes is not taken for numbers or bools."""
    if not _SAFE_TEXT.fullmatch(text):
        return False
    first = re.split(r"[ ,]", text, maxsplit=1)[0]
    if first in BOOL_WORDS:
        return False
    try:
        float(first)
    except ValueError:
        return not text.startswith("_JSON")
    return False
