"""Structures to bytes and back.

A structure is a header (names, dtypes and shapes) and one block of numbers: cell, pbc, arrays and
results, each at a multiple of 16 bytes. Thousands of structures share a header, which is written
and read once for all. What is irregular (info, constraints ...) follows as a plain dict.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from ase import Atoms
from ase.constraints import dict2constraint

from zn_pipeline.items.values import (
    COUNT,
    DTYPE_KINDS,
    FLOAT,
    READERS,
    WRITERS,
    Parts,
    RefusedError,
    read,
    read_dict,
    remember,
    write,
    write_dict,
)
from zn_pipeline.serialize.frames.snapshot import new_atoms, new_calculator

_ALIGN: Final = 16
_CELL_BYTES: Final = 72
_NO_DISPLACEMENT: Final = bytes(24)
_FIRST_ARRAY: Final = 80  # 72 bytes of cell, 3 of pbc, 5 of padding


# Writing structures.

_headers: dict[tuple[Any, ...], bytes] = {}


def _write_atoms(atoms: Atoms, out: Parts) -> None:
    columns: list[Any] = []
    data = [atoms.cell.array.tobytes(), atoms.pbc.tobytes(), b"\0\0\0\0\0"]
    extra: dict[str, Any] = {}
    for name, array in atoms.arrays.items():
        _lay_out(name, array, columns, data, extra)
    n_arrays = len(columns)
    calculator = _write_results(atoms, columns, data, extra) if atoms.calc is not None else None
    if atoms.info:
        extra["info"] = atoms.info
    if atoms.constraints:
        extra["constraints"] = [_describe(item) for item in atoms.constraints]
    displacement = atoms.get_celldisp()
    if displacement.shape != (3, 1) or displacement.tobytes() != _NO_DISPLACEMENT:
        extra["celldisp"] = displacement
    layout = (calculator, bool(extra), n_arrays, *columns)
    header = _headers.get(layout) or remember(_headers, layout, _header(layout))
    out.append(header)
    out += data
    if extra:
        write_dict(extra, out)


def _lay_out(name: str, value: Any, columns: list[Any], data: Parts, extra: dict[str, Any]) -> None:
    """Note name, dtype and shape of a number or array and add its bytes."""
    kind = type(value)
    if kind is np.ndarray and value.dtype.kind in DTYPE_KINDS:
        columns += (name, value.dtype, value.shape)
        raw = value.tobytes()
        data.append(raw)
        if len(raw) % _ALIGN:
            data.append(bytes(-len(raw) % _ALIGN))
    elif kind is float:
        columns += (name, None, ())
        data += (FLOAT.pack(value), b"\0\0\0\0\0\0\0\0")
    else:
        columns += (name, None, None)
        extra[f"array {name}"] = value


def _write_results(atoms: Atoms, columns: list[Any], data: Parts, extra: dict[str, Any]) -> str:
    """Add the results of the calculator; return its name."""
    calc: Any = atoms.calc
    results = getattr(calc, "results", None)
    if not isinstance(results, dict):
        raise RefusedError(
            f"Atoms whose calculator has results, received {type(calc).__name__}; "
            "take it off with atoms.calc = None"
        )
    for name, value in results.items():
        _lay_out(name, value, columns, data, extra)
    known = getattr(calc, "atoms", None)
    if known is not None and known is not atoms and not _same_state(known, atoms):
        extra["calculated"] = known.copy()
    return str(getattr(calc, "name", None) or "unknown")


_MOMENTS: Final = ("initial_magmoms", "initial_charges")


def _same_state(one: Atoms, other: Atoms) -> bool:
    """Whether the results of one structure are those of the other."""
    mine, theirs = one.arrays, other.arrays
    if (
        mine["positions"].tobytes() != theirs["positions"].tobytes()
        or mine["numbers"].tobytes() != theirs["numbers"].tobytes()
        or one.cell.array.tobytes() != other.cell.array.tobytes()
        or one.pbc.tobytes() != other.pbc.tobytes()
    ):
        return False
    return all(
        np.array_equal(mine.get(name, 0), theirs.get(name, 0))
        for name in _MOMENTS
        if name in mine or name in theirs
    )


def _describe(constraint: Any) -> dict[str, Any]:
    try:
        described: dict[str, Any] = constraint.todict()
        dict2constraint(described)
    except (AttributeError, NotImplementedError, ValueError):
        raise RefusedError(
            "Atoms with constraints of ASE that have todict(), "
            f"received {type(constraint).__name__}; take it off with atoms.set_constraint()"
        ) from None
    return described


def _header(layout: tuple[Any, ...]) -> bytes:
    """Return the tag of a structure and its layout."""
    parts: Parts = []
    write(tuple(item.str if isinstance(item, np.dtype) else item for item in layout), parts)
    text = b"".join(parts)
    return b"A" + COUNT.pack(len(text)) + text


# Reading structures.

# (name, dtype, shape, place); without a dtype a Python float, without a shape in the dict behind.
Column = tuple[str, np.dtype | None, tuple[int, ...] | None, int]
# Arrays, name of the calculator, results, whether a dict follows, bytes of the block.
Plan = tuple[list[Column], str | None, list[Column], bool, int]

_plans: dict[bytes, Plan] = {}


def _plan(header: bytes) -> Plan:
    calculator, has_extra, n_arrays, *layout = read(header, 0)[0]
    arrays, size = _columns(layout[:n_arrays], _FIRST_ARRAY)
    results, size = _columns(layout[n_arrays:], size)
    return arrays, calculator, results, has_extra, size


def _columns(layout: list[Any], at: int) -> tuple[list[Column], int]:
    columns: list[Column] = []
    for name, dtype_name, shape in zip(layout[::3], layout[1::3], layout[2::3], strict=True):
        dtype = None if dtype_name is None else np.dtype(dtype_name)
        columns.append((name, dtype, shape, at))
        if dtype is not None:
            size = dtype.itemsize * int(np.prod(shape, dtype=int))
            at += size + -size % _ALIGN
        elif shape is not None:
            at += _ALIGN
    return columns, at


def _read_atoms(data: bytes, at: int) -> tuple[Any, int]:
    start = at + 4 + COUNT.unpack_from(data, at)[0]
    header = data[at + 4 : start]
    plan = _plans.get(header) or remember(_plans, header, _plan(header))
    columns, calculator, result_columns, has_extra, size = plan
    end = start + size
    extra: dict[str, Any] = {}
    if has_extra:
        extra, end = read_dict(data, end + 1)
    block = bytearray(data[start : start + size])  # the arrays are parts of this copy
    atoms = _new_atoms(_values(columns, block, extra), block)
    if extra:
        atoms.info = extra.get("info", {})
        if "constraints" in extra:
            atoms.set_constraint([dict2constraint(item) for item in extra["constraints"]])
        if "celldisp" in extra:
            atoms.set_celldisp(extra["celldisp"])
    if calculator is not None:
        known = extra.get("calculated")
        if known is None:
            own = bytearray(data[start : start + size])
            known = _new_atoms(_values(columns, own, extra), own)
        atoms.calc = new_calculator(known, _values(result_columns, block, extra), calculator)
    return atoms, end


def _values(columns: list[Column], block: bytearray, extra: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, dtype, shape, at in columns:
        if dtype is not None:
            values[name] = np.ndarray(shape, dtype, block, at)  # type: ignore[arg-type]
        elif shape is None:
            values[name] = extra[f"array {name}"]
        else:
            values[name] = FLOAT.unpack_from(block, at)[0]
    return values


def _new_atoms(arrays: dict[str, np.ndarray], block: bytearray) -> Atoms:
    cell: np.ndarray = np.ndarray((3, 3), float, block)
    return new_atoms(arrays, cell, np.ndarray(3, bool, block, _CELL_BYTES), {})


WRITERS[Atoms] = _write_atoms
READERS[ord("A")] = _read_atoms
