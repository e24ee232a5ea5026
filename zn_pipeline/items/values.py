"""Values to bytes and back: exact in type, dtype, shape and order, and fast.

A value is one tag byte and what the tag asks for; containers hold their parts one after the other.
Structures are in `structures.py`, which is loaded when the first one comes along.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np

DTYPE_KINDS: Final = frozenset("biufcUSmM")
"""Kinds of arrays that are stored as they lie in memory."""

_FORMAT: Final = b"\x01"
_STRUCTURES: Final = "zn_pipeline.items.structures"
_MAX_KNOWN: Final = 4096
_MIN_PACKED: Final = 8

COUNT: Final = struct.Struct("<I")
FLOAT: Final = struct.Struct("<d")
_INT: Final = struct.Struct("<q")
_COMPLEX: Final = struct.Struct("<dd")

Parts = list[bytes]


class RefusedError(TypeError):
    """A value that cannot be stored; the path to it grows while the error rises."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.path = ""


def encode(value: Any) -> bytes:
    """Return the bytes of a value; equal values give equal bytes.

    Parameters
    ----------
    value : `ase.Atoms`, None, bool, int, float, complex, str, bytes, numpy array or scalar, or
        list, tuple, dict of such. Of a calculator its name and results are kept, and the structure
        that they belong to if it is another one.

    Raises
    ------
    TypeError
        If it holds anything else; the message says where.
    """
    parts = [_FORMAT]
    try:
        write(value, parts)
    except RefusedError as error:
        raise TypeError(f"a stored value{error.path} must be {error}") from None
    return b"".join(parts)


def decode(buffer: bytes | bytearray | memoryview) -> Any:
    """Return the value of the bytes that :func:`encode` made; it shares no memory with them.

    Raises
    ------
    ValueError
        If the bytes were not made by this version of the format.
    """
    data = buffer if type(buffer) is bytes else bytes(buffer)
    if data[:1] != _FORMAT:
        raise ValueError(f"a stored value must begin with {_FORMAT!r}, received {data[:1]!r}")
    return read(data, 1)[0]


# Writing.


def write(value: Any, out: Parts) -> None:
    """Add the bytes of a value."""
    writer = WRITERS.get(type(value)) or _late_writer(type(value))
    if writer is not None:
        writer(value, out)
    elif isinstance(value, np.generic) and value.dtype.kind in DTYPE_KINDS:
        out += (b"n", _array_header(value.dtype, ()), value.tobytes())
    else:
        kind = type(value)
        raise RefusedError(
            "Atoms, a number, string, None, numpy array, or a list, tuple or dict of these, "
            f"received {kind.__module__}.{kind.__qualname__}; convert it or leave it out"
        )


def _late_writer(kind: type) -> Callable[[Any, Parts], None] | None:
    if kind.__module__ == "ase.atoms":
        importlib.import_module(_STRUCTURES)
    return WRITERS.get(kind)


def _write_int(value: int, out: Parts) -> None:
    if -(2**63) <= value < 2**63:
        out.append(b"i" + _INT.pack(value))
    else:
        _write_sized(b"I", value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True), out)


def _write_sized(tag: bytes, data: bytes, out: Parts) -> None:
    out += (tag, COUNT.pack(len(data)), data)


def _write_text(tag: bytes) -> Callable[[str, Parts], None]:
    return lambda value, out: _write_sized(tag, value.encode("utf-8", "surrogatepass"), out)


def _write_list(value: list[Any], out: Parts) -> None:
    if len(value) >= _MIN_PACKED:
        kinds = set(map(type, value))
        if kinds == {float}:
            return _write_sized(b"F", struct.pack(f"<{len(value)}d", *value), out)
        if kinds == {int} and min(value) >= -(2**63) and max(value) < 2**63:
            return _write_sized(b"K", struct.pack(f"<{len(value)}q", *value), out)
    return _write_items(b"l", value, out)


def _write_items(tag: bytes, value: list[Any] | tuple[Any, ...], out: Parts) -> None:
    out.append(tag + COUNT.pack(len(value)))
    for index, item in enumerate(value):
        _write_part(item, index, out)


def _write_part(item: Any, key: Any, out: Parts) -> None:
    try:
        write(item, out)
    except RefusedError as error:
        error.path = f"[{key!r}]{error.path}"
        raise


def write_dict(value: dict[Any, Any], out: Parts) -> None:
    """Add the bytes of a dict."""
    out.append(b"d" + COUNT.pack(len(value)))
    for key, item in value.items():
        _write_part(key, key, out)
        _write_part(item, key, out)


def _write_array(value: np.ndarray, out: Parts) -> None:
    if value.dtype.kind == "O":
        out.append(b"o" + _array_header(value.dtype, value.shape))
        _write_items(b"l", list(value.flat), out)
    else:
        out += (b"a", _array_header(value.dtype, value.shape), value.tobytes())


_array_headers: dict[tuple[np.dtype, tuple[int, ...]], bytes] = {}


def _array_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    header = _array_headers.get((dtype, shape))
    if header is None:
        if dtype.kind not in DTYPE_KINDS and dtype.kind != "O":
            raise RefusedError(
                "an array of numbers, bools, strings or times, "
                f"received dtype {dtype}; convert it with .astype or leave it out"
            )
        name = dtype.str.encode()
        dims = struct.pack(f"<BB{len(shape)}q", len(name), len(shape), *shape)
        header = remember(_array_headers, (dtype, shape), dims + name)
    return header


def remember(known: dict[Any, Any], key: Any, value: Any) -> Any:
    """Keep a value in a table that never grows beyond bounds; return the value."""
    if len(known) >= _MAX_KNOWN:
        known.clear()
    known[key] = value
    return value


WRITERS: Final[dict[type, Callable[[Any, Parts], None]]] = {
    type(None): lambda value, out: out.append(b"N"),
    bool: lambda value, out: out.append(b"T" if value else b"f"),
    int: _write_int,
    float: lambda value, out: out.append(b"r" + FLOAT.pack(value)),
    complex: lambda value, out: out.append(b"c" + _COMPLEX.pack(value.real, value.imag)),
    str: _write_text(b"s"),
    np.str_: _write_text(b"u"),
    bytes: lambda value, out: _write_sized(b"b", value, out),
    np.bytes_: lambda value, out: _write_sized(b"y", bytes(value), out),
    list: _write_list,
    tuple: lambda value, out: _write_items(b"t", value, out),
    dict: write_dict,
    np.ndarray: _write_array,
    np.memmap: _write_array,
}


# Reading: each function returns the value that begins at a position, and the position behind it.

Read = tuple[Any, int]


def read(data: bytes, at: int) -> Read:
    """Return the value at a position, and the position behind it."""
    try:
        reader = READERS[data[at]]
    except (KeyError, IndexError):
        raise ValueError(f"a stored value must be whole, received no tag at byte {at}") from None
    return reader(data, at + 1)


def _sized(convert: Callable[[bytes], Any]) -> Callable[[bytes, int], Read]:
    def read(data: bytes, at: int) -> Read:
        start = at + 4
        end = start + COUNT.unpack_from(data, at)[0]
        return convert(data[start:end]), end

    return read


def _fixed(layout: struct.Struct, convert: Callable[..., Any]) -> Callable[[bytes, int], Read]:
    return lambda data, at: (convert(*layout.unpack_from(data, at)), at + layout.size)


def _read_list(data: bytes, at: int) -> Read:
    count = COUNT.unpack_from(data, at)[0]
    at += 4
    items: list[Any] = []
    for _ in range(count):
        item, at = read(data, at)
        items.append(item)
    return items, at


def _read_tuple(data: bytes, at: int) -> Read:
    items, at = _read_list(data, at)
    return tuple(items), at


def read_dict(data: bytes, at: int) -> Read:
    """Return the dict at a position (behind its tag), and the position behind it."""
    count = COUNT.unpack_from(data, at)[0]
    at += 4
    items: dict[Any, Any] = {}
    for _ in range(count):
        key, at = read(data, at)
        items[key], at = read(data, at)
    return items, at


def _read_array_header(data: bytes, at: int) -> tuple[np.dtype, tuple[int, ...], int]:
    n_name, n_dims = data[at], data[at + 1]
    shape = struct.unpack_from(f"<{n_dims}q", data, at + 2)
    start = at + 2 + 8 * n_dims
    return np.dtype(data[start : start + n_name].decode()), shape, start + n_name


def _read_array(data: bytes, at: int) -> Read:
    dtype, shape, at = _read_array_header(data, at)
    array: np.ndarray = np.ndarray(shape, dtype, data, at)
    return array.copy(), at + array.nbytes


def _read_objects(data: bytes, at: int) -> Read:
    _, shape, at = _read_array_header(data, at)
    items, at = _read_list(data, at + 1)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape), at


def _read_scalar(data: bytes, at: int) -> Read:
    array, at = _read_array(data, at)
    return array[()], at


def _read_first_structure(data: bytes, at: int) -> Read:
    importlib.import_module(_STRUCTURES)  # puts its own reader in the place of this one
    return READERS[ord("A")](data, at)


READERS: Final[dict[int, Callable[[bytes, int], Read]]] = {
    ord("N"): lambda data, at: (None, at),
    ord("T"): lambda data, at: (True, at),
    ord("f"): lambda data, at: (False, at),
    ord("i"): _fixed(_INT, int),
    ord("I"): _sized(lambda raw: int.from_bytes(raw, "little", signed=True)),
    ord("r"): _fixed(FLOAT, float),
    ord("c"): _fixed(_COMPLEX, complex),
    ord("s"): _sized(lambda raw: raw.decode("utf-8", "surrogatepass")),
    ord("u"): _sized(lambda raw: np.str_(raw.decode("utf-8", "surrogatepass"))),
    ord("b"): _sized(bytes),
    ord("y"): _sized(np.bytes_),
    ord("F"): _sized(lambda raw: list(struct.unpack(f"<{len(raw) // 8}d", raw))),
    ord("K"): _sized(lambda raw: list(struct.unpack(f"<{len(raw) // 8}q", raw))),
    ord("l"): _read_list,
    ord("t"): _read_tuple,
    ord("d"): read_dict,
    ord("a"): _read_array,
    ord("o"): _read_objects,
    ord("n"): _read_scalar,
    ord("A"): _read_first_structure,
}
