"""Digest of one structure, the same after it was written to extxyz and read again.

Positions and cell count to 1e-8 Angstrom, the precision that extxyz keeps; other numbers per atom
to 1e-8 of their unit; numbers of ``info`` and of results to 1e-8 or, below 1e-4, to six significant
digits. Python and numpy scalars, lists and arrays, and the order of keys make no difference.

What extxyz itself does not keep cannot keep its digest: constraints other than FixAtoms and
FixCartesian, ``celldisp``, results that ASE does not know by name, None, empty texts and arrays,
texts that look like numbers, truth values or lists of these, integers beyond 32 bits in arrays,
complex numbers, and entries of ``info`` or ``arrays`` named like a result (``energy``, ``forces``),
which ASE reads back as results. A value within 1e-16 of the middle between two multiples of 1e-8
may be rounded differently; it costs one more evaluation.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zn_pipeline.errors import NotCacheableError

Reads = tuple[str, ...] | Literal["all"]

_I4, _I8 = np.dtype("<i4"), np.dtype("<i8")
_SCALE = 1e8
_LIMIT = 2.0**124  # of a sum of squares: each number is below 2**62
_SMALL = 1e-4
_NO_SHIFT = bytes(24)
_FIRST = frozenset({"numbers", "positions"})
_PER_ATOM = frozenset({"energies", "forces", "stresses", "charges", "magmoms"})
_VOIGT = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))


class _Plan(NamedTuple):
    """Which parts of a structure are read besides numbers, positions, cell and pbc."""

    arrays: tuple[str, ...] = ()
    info: tuple[str, ...] = ()
    results: tuple[str, ...] | None = ()  # None: all of them
    constraints: bool = False
    celldisp: bool = False


def is_atoms(value: Any) -> bool:
    """Whether a value is an ``ase.Atoms``, known by its methods."""
    return hasattr(type(value), "get_celldisp")


def atoms_hash(atoms: Any, reads: Reads) -> bytes:
    """Return 16 bytes for what is read of a structure.

    Parameters
    ----------
    atoms : an ``ase.Atoms``
    reads : names of arrays, ``info.NAME``, ``results``, ``results.NAME``, ``constraints``,
        ``celldisp``; or ``"all"``. Names that the structure does not have count as absent

    Raises
    ------
    ValueError
        If positions or cell are NaN.
    NotCacheableError
        If something that is read is neither a number, a text, an array nor a container of these.
    """
    arrays = atoms.arrays
    positions = arrays["positions"]
    scaled = positions * _SCALE
    flat = np.rint(scaled, scaled).ravel()
    if flat.dot(flat) < _LIMIT:
        place = flat.astype(_I8).tobytes()
    else:
        place = _unusual(positions, "positions")
    core = (
        arrays["numbers"].astype(_I4).tobytes()
        + place
        + _cell_bytes(atoms.cell.array.tobytes())
        + atoms.pbc.tobytes()
    )
    if reads == "all":
        rest = _everything(atoms)
    else:
        rest = _declared(atoms, plan(tuple(reads))) if reads else b""
    return hashlib.blake2b(core + rest, digest_size=16, person=b"zn.structure").digest()


@lru_cache(maxsize=4096)
def _cell_bytes(raw: bytes) -> bytes:
    """Return the quantised bytes of a cell, given its float64 bytes; most sets share few cells."""
    cell = np.frombuffer(raw)
    flat = np.rint(cell * _SCALE)
    return flat.astype(_I8).tobytes() if flat.dot(flat) < _LIMIT else _unusual(cell, "cell")


def _unusual(values: NDArray[np.float64], name: str) -> bytes:
    """Return the bytes of lengths too great to be quantised; refuse NaN."""
    if np.isnan(values).any():
        rows = np.unique(np.argwhere(np.isnan(values))[:, 0]).tolist()
        shown = f"NaN in rows {rows[:5]}" if name == "positions" else "NaN"
        raise ValueError(
            f"{name} of a structure must be numbers, received {shown}; leave the structure out"
        )
    return b"unscaled" + values.astype("<f8").tobytes()


@lru_cache(maxsize=256)
def plan(reads: tuple[str, ...]) -> _Plan:
    """Sort declared names by the part of the structure that they belong to."""
    results: list[str] = []
    info: list[str] = []
    arrays: list[str] = []
    for name in sorted(set(reads)):
        kind, dot, rest = name.partition(".")
        if kind in ("info", "results") and dot:
            (info if kind == "info" else results).append(rest)
        elif name not in ("results", "constraints", "celldisp", *_FIRST):
            arrays.append(name)
    return _Plan(
        tuple(arrays),
        tuple(info),
        None if "results" in reads else tuple(results),
        "constraints" in reads,
        "celldisp" in reads,
    )


def _everything(atoms: Any) -> bytes:
    arrays, info = atoms.arrays, atoms.info
    names = sorted(arrays.keys() - _FIRST) if len(arrays) > len(_FIRST) else ()
    keys = sorted(info, key=str) if info else ()
    return _declared(atoms, _Plan(tuple(names), tuple(keys), None, True, True))


def _declared(atoms: Any, wanted: _Plan) -> bytes:
    out: list[bytes] = []
    arrays, info = atoms.arrays, atoms.info
    for name in wanted.arrays:
        if name in arrays:
            out.append(_name("array", name))
            _put_per_atom(out, arrays[name])
    for name in wanted.info:
        if name in info:
            out.append(_name("info", name))
            put(out, info[name], f"info[{name!r}]")
    if wanted.results is None or wanted.results:
        _put_results(out, atoms, wanted.results)
    if wanted.constraints and atoms.constraints:
        _put_constraints(out, atoms)
    if wanted.celldisp:
        shift = atoms.get_celldisp()
        if shift.tobytes() != _NO_SHIFT:
            out.append(b"\ncelldisp ")
            put(out, shift, "celldisp")
    return b"".join(out)


@lru_cache(maxsize=1024, typed=True)
def _name(kind: str, name: object) -> bytes:
    return f"\n{kind} {name!r} ".encode()


def _put_results(out: list[bytes], atoms: Any, names: Iterable[str] | None) -> None:
    results: Mapping[str, Any] = getattr(atoms.calc, "results", None) or {}
    for name in sorted(results if names is None else names):
        value = results.get(name)
        if value is None:
            continue
        out.append(_name("result", name))
        if name in _PER_ATOM:
            _put_per_atom(out, np.asarray(value))
        elif name == "stress" and np.shape(value) == (3, 3):
            put(out, np.asarray(value)[_VOIGT], "results['stress']")
        else:
            put(out, value, f"results[{name!r}]")


def _put_constraints(out: list[bytes], atoms: Any) -> None:
    fixed = np.zeros((len(atoms), 3), dtype=bool)
    others: list[Any] = []
    for constraint in atoms.constraints:
        kind = type(constraint).__name__
        if kind == "FixAtoms":
            fixed[constraint.index] = True
        elif kind == "FixCartesian":
            fixed[constraint.index] |= np.asarray(constraint.mask, dtype=bool)
        elif hasattr(constraint, "todict"):
            others.append(constraint.todict())
        else:
            raise NotCacheableError(
                f"constraints of a structure must have a method todict, received {constraint!r}; "
                "add it, or do not declare that constraints are read"
            )
    if fixed.any():
        out.append(b"\nfixed " + np.packbits(fixed).tobytes())
    if others:
        out.append(b"\nconstraints ")
        put(out, others, "constraints")


@np.errstate(over="ignore")
def _put_per_atom(out: list[bytes], values: NDArray[Any]) -> None:
    """Append numbers per atom, to 1e-8; one column counts as a plain list."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind != "f":
        _put_array(out, values, "arrays")
        return
    scaled = values * _SCALE if values.dtype == np.float64 else values.astype(float) * _SCALE
    flat = np.rint(scaled, scaled).ravel()
    if flat.dot(flat) < _LIMIT:
        out.append(b"F%r" % (values.shape,) + flat.astype(_I8).tobytes())
    else:
        out.append(b"X%r" % (values.shape,))
        out.extend(_float(value) for value in values.ravel().tolist())


def _put_array(out: list[bytes], values: NDArray[Any], where: str) -> None:
    kind = values.dtype.kind
    if values.size == 0:
        out.append(b"E")
    elif values.ndim == 0 or (values.ndim == 1 and values.size == 1 and kind in "fiub"):
        put(out, values.reshape(())[()], where)
    elif kind in "iu":
        out.append(b"I%r" % (values.shape,) + values.astype(_I8).tobytes())
    elif kind == "b":
        out.append(b"B%r" % (values.shape,) + np.packbits(values).tobytes())
    elif kind == "f":
        out.append(b"G%r" % (values.shape,))
        _put_floats(out, values.astype(float, copy=False).ravel())
    elif kind == "c":
        out.append(b"C%r" % (values.shape,) + values.astype("<c16").tobytes())
    elif kind in "USO":
        _put_list(out, values.tolist(), where)
    else:
        raise NotCacheableError(
            f"{where} of a structure must hold numbers or texts, received dtype {values.dtype}"
        )


@np.errstate(over="ignore")
def _put_floats(out: list[bytes], flat: NDArray[np.float64]) -> None:
    """Append numbers to 1e-8, those below 1e-4 to six significant digits as well."""
    scaled = np.rint(flat * _SCALE)
    if not scaled.dot(scaled) < _LIMIT:
        out.extend(_float(value) for value in flat.tolist())
        return
    out.append(scaled.astype(_I8).tobytes())
    if np.count_nonzero(np.abs(scaled) < _SMALL * _SCALE):
        out.extend(_float(x) for x in flat.tolist() if x and abs(x) < _SMALL)


def _float(value: float) -> bytes:
    if value == 0:
        return b"f0"
    if abs(value) < _SMALL:
        value = float(f"{value:.6g}")
    return b"f" + repr(round(value, 8) if abs(value) >= _SMALL else value).encode()


def put(out: list[bytes], value: Any, where: str) -> None:
    """Append the bytes of a value of ``info`` or of the results."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        text = value.encode()
        out.append(b"s%d:" % len(text) + text)
    elif value is None or isinstance(value, bool):
        out.append(b"N" if value is None else b"T" if value else b"L")
    elif isinstance(value, float):
        out.append(_float(value))
    elif isinstance(value, int):
        out.append(b"i%d" % value)
    elif isinstance(value, np.ndarray):
        _put_array(out, value, where)
    elif isinstance(value, Mapping):
        out.append(b"D%d" % len(value))
        for key in sorted(value, key=str):
            put(out, str(key), where)
            put(out, value[key], f"{where}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        _put_list(out, value, where)
    elif isinstance(value, complex):
        out.append(b"c" + struct.pack("<dd", value.real, value.imag))
    elif isinstance(value, bytes):
        out.append(b"y%d:" % len(value) + value)
    else:
        _put_object(out, value, where)


def _put_list(out: list[bytes], value: Sequence[Any], where: str) -> None:
    """Append a list; one of numbers alone counts as an array."""
    if value and not isinstance(value[0], (str, Mapping)):
        try:
            array = np.asarray(value)
        except ValueError:  # lists of different lengths
            array = None
        if array is not None and array.dtype.kind in "iufb":
            _put_array(out, array, where)
            return
    if not value:
        out.append(b"E")
        return
    out.append(b"l%d" % len(value))
    for row, item in enumerate(value):
        put(out, item, f"{where}[{row}]")


def _put_object(out: list[bytes], value: Any, where: str) -> None:
    if type(value).__name__ == "Spacegroup":  # extxyz writes its symbol
        put(out, str(value.symbol), where)
    elif hasattr(value, "__cache_key__"):
        out.append(f"o{type(value).__qualname__} ".encode())
        put(out, value.__cache_key__(), where)
    else:
        raise NotCacheableError(
            f"{where} of a structure must be a number, a text, an array or a container of these, "
            f"received {type(value).__qualname__}; remove it, declare reads=..., or give its class "
            "a method __cache_key__() that returns plain values"
        )
