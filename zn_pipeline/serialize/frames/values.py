"""One value <-> what is stored of it: a float64 array or a JSON text, plus a `Layout`.

Numbers and numeric arrays become float64 arrays where float64 holds them exactly, everything else
JSON text. Text is plain JSON wherever that loses nothing, so other readers see the same object; a
value with numpy objects, complex numbers or irregularly nested tuples inside is JSON with tags.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .layout import Layout

Stored = np.ndarray | str

_TAG: Final = "__zn__"
_EXACT_INTEGER: Final = 2**53
_PYTHON_NUMBERS: Final[dict[str, Callable[[Any], Any]]] = {
    "float": float,
    "int": int,
    "bool": bool,
}


def encode(value: Any, n_atoms: int, *, per_atom: bool) -> tuple[Layout, Stored]:
    """What to store of a value.

    Parameters
    ----------
    value
        Number, string, None, numpy scalar or array, or list, tuple, dict of such.
    n_atoms
        Number of atoms of the frame.
    per_atom
        Whether a first axis of length `n_atoms` runs over the atoms.

    Returns
    -------
    Layout
        What `decode` needs to restore the value.
    numpy.ndarray or str
        New float64 array that shares no memory with `value`, or JSON text.

    Raises
    ------
    TypeError
        The value has a type that cannot be stored.
    """
    kind = type(value)
    if kind is float or kind is bool or (kind is int and abs(value) <= _EXACT_INTEGER):
        return Layout(kind.__name__), np.array(value, dtype=np.float64)
    if kind is complex:
        return Layout("complex"), np.array([value.real, value.imag])
    if isinstance(value, np.generic):
        return _encode_array(np.asarray(value), Layout("scalar", value.dtype.str))
    if isinstance(value, np.ndarray):
        shape: tuple[int | None, ...] = value.shape
        if per_atom and shape and shape[0] == n_atoms:
            shape = (None, *shape[1:])
        return _encode_array(value, Layout("array", value.dtype.str, shape))
    return _encode_object(value)


def _encode_array(value: np.ndarray, layout: Layout) -> tuple[Layout, Stored]:
    dtype = value.dtype
    large = dtype.kind in "iu" and dtype.itemsize == 8 and value.size > 0
    if large and max(int(value.max()), -int(value.min())) > _EXACT_INTEGER:
        return layout, json.dumps(value.tolist())
    if dtype.kind in "biu" or (dtype.kind == "f" and dtype.itemsize <= 8):
        return layout, np.array(value, dtype=np.float64)
    if dtype.kind == "c" and dtype.itemsize <= 16:
        return layout, np.stack([np.real(value), np.imag(value)], axis=-1).astype(np.float64)
    if dtype.kind == "U" or (dtype.kind == "O" and all(type(x) is str for x in value.flat)):
        return layout, json.dumps(value.tolist())
    if dtype.kind == "S":
        return layout, json.dumps(np.char.decode(value, "latin-1").tolist())
    raise TypeError(
        f"array values must be real, complex, integer, bool or string, received dtype {dtype}; "
        "convert it with .astype(float) or leave it out"
    )


def _encode_object(value: Any) -> tuple[Layout, str]:
    if is_plain(value):
        return Layout("json"), json.dumps(value)
    levels = _container_levels(value)
    if levels:
        return Layout("nested", "/".join(levels)), json.dumps(value)
    return Layout("tagged"), json.dumps(to_json(value))


def decode(stored: Any, layout: Layout, n_atoms: int) -> Any:
    """Restore a value; the inverse of `encode`.

    Parameters
    ----------
    stored
        What `encode` returned; an array may be padded at the end of every axis.
    layout
        The layout that `encode` returned.
    n_atoms
        Number of atoms of the frame.
    """
    kind = layout.kind
    if kind == "array":
        return _decode_array(stored, np.dtype(layout.detail), layout.shape_for(n_atoms))
    if kind in _PYTHON_NUMBERS:
        return _PYTHON_NUMBERS[kind](stored)
    if kind == "scalar":
        return _decode_array(stored, np.dtype(layout.detail), ())[()]
    if kind == "complex":
        return complex(stored[0], stored[1])
    if kind == "constant":
        return from_json(json.loads(layout.detail))
    value = json.loads(stored)
    if kind == "nested":
        return _as_containers(value, layout.detail.split("/"))
    return from_json(value) if kind == "tagged" else value


def _decode_array(stored: Any, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    if isinstance(stored, str | bytes):
        items = json.loads(stored)
        if dtype.kind == "S":
            return np.char.encode(np.array(items, dtype=str), "latin-1").astype(dtype)
        return np.array(items, dtype=dtype).reshape(shape)
    if dtype.kind == "c":
        pairs = np.ascontiguousarray(stored[tuple(map(slice, (*shape, 2)))])
        return pairs.view(np.complex128)[..., 0].astype(dtype)
    cut = stored[tuple(map(slice, shape))] if shape else stored
    return np.array(cut, dtype=dtype)


def freeze_constant(value: Any) -> Layout:
    """Layout that holds a value itself: for the few values that nearly all frames share."""
    return Layout("constant", json.dumps(to_json(value), sort_keys=True))


def is_plain(value: Any) -> bool:
    """Whether JSON keeps the value as it is."""
    kind = type(value)
    if value is None or kind in (str, int, float, bool):
        return True
    if kind is list:
        return all(map(is_plain, value))
    return (
        kind is dict
        and _TAG not in value
        and all(type(key) is str and is_plain(item) for key, item in value.items())
    )


def _container_levels(value: Any) -> list[str] | None:
    """Types of nested lists and tuples from outside in; None unless each level is of one type."""
    levels: list[str] = []
    row = [value]
    while any(type(item) in (list, tuple) for item in row):
        kinds = {type(item) for item in row if type(item) in (list, tuple)}
        if len(kinds) > 1:
            return None
        levels.append(kinds.pop().__name__)
        scalars = [item for item in row if type(item) not in (list, tuple)]
        if not all(map(is_plain, scalars)):
            return None
        row = [item for part in row if type(part) in (list, tuple) for item in part]
    return levels if all(map(is_plain, row)) else None


def _as_containers(value: Any, levels: list[str]) -> Any:
    if not isinstance(value, list) or not levels:
        return value
    items = [_as_containers(item, levels[1:]) for item in value]
    return tuple(items) if levels[0] == "tuple" else items


def to_json(value: Any) -> Any:
    """JSON-ready copy in which what JSON does not know is ``{"__zn__": [name, content]}``."""
    kind = type(value)
    if value is None or kind in (str, int, float, bool):
        return value
    if kind is list:
        return [to_json(item) for item in value]
    if kind is tuple:
        return {_TAG: ["tuple", [to_json(item) for item in value]]}
    if kind is dict:
        if _TAG not in value and all(type(key) is str for key in value):
            return {key: to_json(item) for key, item in value.items()}
        return {_TAG: ["dict", [[to_json(key), to_json(item)] for key, item in value.items()]]}
    if kind is complex:
        return {_TAG: ["complex", [value.real, value.imag]]}
    if isinstance(value, np.generic | np.ndarray):
        layout, stored = encode(value, -1, per_atom=False)
        data = stored if isinstance(stored, str) else stored.tolist()
        shape = list(getattr(stored, "shape", ()))
        return {_TAG: ["numpy", [layout.kind, layout.detail, list(layout.shape), shape, data]]}
    raise TypeError(
        "values must be numbers, strings, None, numpy arrays or lists, tuples and dicts of these, "
        f"received {kind.__module__}.{kind.__qualname__}; convert it or leave it out"
    )


def from_json(value: Any) -> Any:
    """Inverse of `to_json`."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _TAG not in value:
        return {key: from_json(item) for key, item in value.items()}
    name, content = value[_TAG]
    if name == "tuple":
        return tuple(from_json(item) for item in content)
    if name == "dict":
        return {from_json(key): from_json(item) for key, item in content}
    if name == "complex":
        return complex(*content)
    kind, detail, shape, stored_shape, data = content
    stored = data if isinstance(data, str) else np.array(data, np.float64).reshape(stored_shape)
    return decode(stored, Layout(kind, detail, tuple(shape)), -1)
