"""`ase.Atoms` taken apart into named values, and put together again."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from types import MethodType
from typing import Any, Final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cell import Cell
from ase.constraints import dict2constraint

from .layout import Origin

NamedValue = tuple[Origin, str, Any]

EXTRAS = "extras"
"""Key of what belongs to the frame as a whole: constraints and the displacement of the cell."""


def take_apart(atoms: Atoms) -> list[NamedValue]:
    """All that a frame holds, as (origin, key, value); the values are not copied.

    Raises
    ------
    TypeError
        `atoms` is no `ase.Atoms`, a key of `Atoms.info` is no string, or a constraint has no
        ``todict``.
    ValueError
        The results of the calculator belong to another structure.
    """
    if not isinstance(atoms, Atoms):
        raise TypeError(
            f"a frame must be an ase.Atoms, received {type(atoms).__name__}; "
            "to give a single structure, pass [atoms]"
        )
    values: list[NamedValue] = [
        ("atoms", "numbers", atoms.numbers),
        ("atoms", "positions", atoms.positions),
        ("atoms", "cell", atoms.cell.array),
        ("atoms", "pbc", atoms.pbc),
    ]
    values.extend(("calc", key, value) for key, value in valid_results(atoms).items())
    values.extend(
        ("arrays", key, value)
        for key, value in atoms.arrays.items()
        if key not in ("numbers", "positions")
    )
    for key, value in atoms.info.items():
        if type(key) is not str:
            raise TypeError(f"keys of Atoms.info must be strings, received {key!r}; rename it")
        values.append(("info", key, value))
    extras = _extras(atoms)
    if extras:
        values.append(("atoms", EXTRAS, extras))
    return values


def valid_results(atoms: Atoms) -> dict[str, Any]:
    """Results of the calculator, {} without one; results that are None count as absent.

    Raises
    ------
    ValueError
        The calculator computed them for other positions, elements, cell or periodicity.
    """
    calc = atoms.calc
    results = getattr(calc, "results", None)
    if not results:
        return {}
    computed_for = getattr(calc, "atoms", None)
    if isinstance(calc, BaseCalculator) and isinstance(computed_for, Atoms):
        for name, now, then in (
            ("numbers", atoms.numbers, computed_for.numbers),
            ("positions", atoms.positions, computed_for.positions),
            ("cell", atoms.cell.array, computed_for.cell.array),
            ("pbc", atoms.pbc, computed_for.pbc),
        ):
            if now.tobytes() == then.tobytes() and now.dtype == then.dtype:
                continue  # nearly always, and much faster
            if not np.array_equal(now, then, equal_nan=name in ("positions", "cell")):
                raise ValueError(
                    f"results of a calculator must belong to the frame, received {sorted(results)} "
                    f"computed for other {name}; drop them with `atoms.calc = None`, or keep them "
                    "with `atoms.calc = SinglePointCalculator(atoms, **atoms.calc.results)`"
                )
    return {key: value for key, value in results.items() if value is not None}


def _extras(atoms: Atoms) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if atoms.constraints:
        for constraint in atoms.constraints:
            if not hasattr(constraint, "todict"):
                raise TypeError(
                    f"constraints must have a todict method, received "
                    f"{type(constraint).__name__}; remove it with `atoms.set_constraint()`"
                )
        extras["constraints"] = [constraint.todict() for constraint in atoms.constraints]
    displacement = atoms.get_celldisp()
    if displacement.any():
        extras["celldisp"] = displacement
    return extras


def assemble(values: Iterable[NamedValue], velocities: np.ndarray | None = None) -> Atoms:
    """Build a frame from what `take_apart` gave; results go into a `SinglePointCalculator`.

    Parameters
    ----------
    values
        (origin, key, value) in any order; the arrays become part of the frame, uncopied.
    velocities
        Velocities in the units of ASE, shape (n_atoms, 3), which files of other programs hold in
        place of momenta.
    """
    fixed: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    info: dict[str, Any] = {}
    results: dict[str, Any] = {}
    parts = {"atoms": fixed, "arrays": arrays, "info": info, "calc": results}
    for origin, key, value in values:
        parts[origin][key] = value
    extras = fixed.get(EXTRAS, {})
    arrays = {
        "numbers": np.asarray(fixed["numbers"], dtype=int),
        "positions": np.asarray(fixed["positions"], dtype=float),
        **arrays,
    }
    atoms = new_atoms(
        arrays, np.array(fixed["cell"], dtype=float), np.array(fixed["pbc"], dtype=bool), info
    )
    if "celldisp" in extras:
        atoms.set_celldisp(extras["celldisp"])
    if velocities is not None:
        atoms.set_velocities(velocities)
    if "constraints" in extras:
        atoms.set_constraint([dict2constraint(entry) for entry in extras["constraints"]])
    if results:
        attach_results(atoms, results)
    return atoms


def attach_results(atoms: Atoms, results: dict[str, Any]) -> None:
    """Give `atoms` a `SinglePointCalculator` with any results, those unknown to ASE too."""
    atoms.calc = new_calculator(twin_of(atoms), results)


def copy_frame(atoms: Atoms) -> Atoms:
    """Independent copy of a frame, results of its calculator included.

    Raises
    ------
    ValueError
        The results of the calculator belong to another structure.
    """
    valid_results(atoms)
    return copy_valid(atoms)


def copy_valid(atoms: Atoms) -> Atoms:
    """`copy_frame` of a frame whose results are known to belong to it."""
    twin = twin_of(atoms)
    results = getattr(atoms.calc, "results", None)
    if results:
        copies = {key: _copied(value) for key, value in results.items() if value is not None}
        if copies:
            attach_results(twin, copies)
    return twin


def twin_of(atoms: Atoms) -> Atoms:
    """Independent copy without calculator; faster than ``atoms.copy()``."""
    if type(atoms) is not Atoms:
        twin = atoms.copy()
        twin.info = deepcopy(atoms.info)
        return twin
    twin = Atoms.__new__(Atoms)
    given, state = vars(atoms), vars(twin)
    for name, default in vars(_EMPTY).items():
        state[name] = default if name == "_calc" else _copied(given[name])
    return twin


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind is np.ndarray and value.dtype.kind != "O":
        return value.copy()
    if kind is float or kind is int or kind is str:
        return value
    if kind is dict:
        return {key: _copied(item) for key, item in value.items()}
    if kind is Cell:
        return Cell(value.array.copy())
    return deepcopy(value) if kind is not list or value else []


# What the constructors of ASE check and convert is known to be in order here, and they are slow.
_EMPTY: Final = Atoms()
_CALCULATOR_STATE: Final = {
    name: value
    for name, value in vars(SinglePointCalculator(_EMPTY)).items()
    if not isinstance(value, MethodType)  # bound to that one calculator
}


def new_atoms(
    arrays: dict[str, np.ndarray], cell: np.ndarray, pbc: np.ndarray, info: dict[str, Any]
) -> Atoms:
    """Return a structure that is made of the given arrays themselves; nothing is checked.

    Parameters
    ----------
    arrays
        By name, among them int ``numbers`` and float ``positions``.
    cell
        In Angstrom, float (3, 3).
    pbc
        bool (3,).
    """
    atoms = Atoms.__new__(Atoms)
    box = Cell.__new__(Cell)
    box.array = cell
    state: dict[str, Any] = vars(atoms)
    state.update(vars(_EMPTY))
    state["_cellobj"] = box
    state["_pbc"] = pbc
    state["_celldisp"] = np.zeros((3, 1))
    state["_constraints"] = []
    state["arrays"] = arrays
    state["info"] = info
    return atoms


def new_calculator(
    atoms: Atoms, results: dict[str, Any], name: str = "unknown"
) -> SinglePointCalculator:
    """Return a calculator with the given results of the given structure; nothing is copied."""
    calc = SinglePointCalculator.__new__(SinglePointCalculator)
    state: dict[str, Any] = vars(calc)
    state.update(_CALCULATOR_STATE)
    state["atoms"] = atoms
    state["results"] = results
    state["parameters"] = {}
    state["name"] = name
    return calc
