"""What a function gets to see of an item, and what its output gets back of the input."""

from __future__ import annotations

import functools
from copy import deepcopy
from typing import Any, cast

from ase import Atoms

from zn_pipeline.serialize.frames.snapshot import copy_frame, new_atoms, new_calculator, twin_of

_IMMUTABLE = frozenset({int, float, str, bool, type(None)})


def visible(item: Any, reads: Any) -> Any:
    """Return an independent copy of an item with what is read, and nothing else.

    A function that gets no more than what its key is made of cannot depend on anything else.
    """
    if isinstance(item, Atoms):
        return copy_frame(item) if reads == "all" else stripped(item, reads)
    if isinstance(item, (list, tuple)):
        return [visible(member, reads) for member in cast("list[Any]", item)]
    return deepcopy(item)


def stripped(atoms: Atoms, reads: tuple[str, ...]) -> Atoms:
    """Return an independent copy of a structure with nothing but what is read."""
    twin = new_atoms(
        {
            "numbers": atoms.arrays["numbers"].copy(),
            "positions": atoms.arrays["positions"].copy(),
        },
        atoms.cell.array.copy(),
        atoms.pbc.copy(),
        {},
    )
    arrays, info = atoms.arrays, atoms.info
    for name in reads if info or len(arrays) > 2 or not _plain(reads) else ():
        kind, _, key = name.partition(".")
        if name in arrays:
            twin.arrays[name] = arrays[name].copy()
        elif kind == "info" and key in info:
            twin.info[key] = deepcopy(info[key])
        elif name == "constraints":
            twin.set_constraint(deepcopy(atoms.constraints))
        elif name == "celldisp":
            twin.set_celldisp(atoms.get_celldisp())
    results = _results_read(atoms, reads)
    if results:
        twin.calc = new_calculator(twin_of(twin), deepcopy(results))
    return twin


def _results_read(atoms: Atoms, reads: tuple[str, ...]) -> dict[str, Any]:
    """Return those results of the calculator that are read: all, or single ones by name."""
    found: dict[str, Any] = getattr(atoms.calc, "results", None) or {}
    if not found or "results" in reads:
        return found
    return {name: value for name, value in found.items() if f"results.{name}" in reads}


@functools.cache
def _plain(reads: tuple[str, ...]) -> bool:
    """Whether all that is read lies in the arrays and the info."""
    return not {"constraints", "celldisp"} & set(reads)


def complete(output: Any, item: Any, reads: Any) -> Any:
    """Give an output structure what the input has and the function did not get to see."""
    if reads == "all" or not isinstance(item, Atoms):
        return output
    if isinstance(output, list):
        return [complete(member, item, reads) for member in cast("list[Any]", output)]
    if not isinstance(output, Atoms):
        return output
    for key, value in item.info.items():
        if f"info.{key}" not in reads and key not in output.info:
            output.info[key] = value if type(value) in _IMMUTABLE else deepcopy(value)
    if "celldisp" not in reads and not output.get_celldisp().any():
        output.set_celldisp(item.get_celldisp())
    if len(item.arrays) == 2 and not item.constraints:
        return output
    if len(output) == len(item) and (output.numbers == item.numbers).all():
        for key, array in item.arrays.items():
            if key not in output.arrays and key not in reads:
                output.arrays[key] = array.copy()
        if "constraints" not in reads and item.constraints and not output.constraints:
            output.constraints = deepcopy(item.constraints)
    return output
