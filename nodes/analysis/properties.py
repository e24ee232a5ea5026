"""Values of structures that can be compared, wherever they are kept."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from nodes.analysis.comparison import Comparison

__all__ = ["compared_property", "known_property"]

_UNITS = {
    "energy": "eV/atom",
    "atomization_energy": "eV/atom",
    "forces": "eV/Angstrom",
    "forces_norm": "eV/Angstrom",
    "stress": "eV/Angstrom^3",
    "virial": "eV/atom",
}

Side = tuple[Sequence[Atoms], str]
"""Structures, and the prefix of the names of their values."""


def known_property(name: str) -> bool:
    """Whether there are values of this name."""
    place, dot, rest = name.partition(".")
    return name in _UNITS or (place in ("info", "arrays") and dot == "." and rest != "")


def compared_property(name: str, reference: Side, predicted: Side) -> Comparison:
    """Compare one property of all structures that have it on both sides.

    Parameters
    ----------
    name : ``"energy"`` and ``"atomization_energy"`` per atom, ``"forces"`` by component,
        ``"forces_norm"`` (length of the force on each atom), ``"stress"`` by component,
        ``"virial"`` (stress times volume per atom, by component), ``"info.NAME"`` or
        ``"arrays.NAME"`` by component, in the unit that they come in
    reference, predicted : the same structures, and the prefix of their values: without one they
        are the results of the calculator, with ``"xtb_"`` they are ``info["xtb_energy"]``,
        ``arrays["xtb_forces"]`` and so on

    Raises
    ------
    ValueError
        If no structure has the property on both sides, or shapes disagree.
    """
    atoms = [
        _isolated(*side) if name == "atomization_energy" else {} for side in (reference, predicted)
    ]
    rows: list[int] = []
    values: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    for row, pair in enumerate(zip(reference[0], predicted[0], strict=True)):
        both = [
            _value(name, frame, prefix, isolated)
            for frame, prefix, isolated in zip(
                pair, (reference[1], predicted[1]), atoms, strict=True
            )
        ]
        if both[0] is None or both[1] is None:
            continue
        if both[0].shape != both[1].shape:
            raise ValueError(
                f"{name} must have one shape on both sides, received {both[0].shape} and "
                f"{both[1].shape} values in row {row}"
            )
        rows.append(row)
        values[0].append(both[0])
        values[1].append(both[1])
    if not rows:
        raise ValueError(
            f"reference and predicted must share {name!r} in at least one structure, received "
            "none; label the structures, or correct the name or the prefixes"
        )
    return Comparison(
        name=name,
        unit=_UNITS.get(name, ""),
        reference=np.concatenate(values[0]),
        predicted=np.concatenate(values[1]),
        frame=np.repeat(rows, [len(value) for value in values[0]]),
    )


def _value(
    name: str, frame: Atoms, prefix: str, isolated: Mapping[int, float]
) -> NDArray[np.float64] | None:
    """Return the values of one structure, shape (n,), or None if it has none."""
    place, _, rest = name.partition(".")
    if rest:
        found = getattr(frame, place).get(prefix + rest)
    else:
        source = {
            "atomization_energy": "energy",
            "forces_norm": "forces",
            "virial": "stress",
        }.get(name, name)
        found = _result(frame, source, prefix)
    if found is None:
        return None
    value = np.asarray(found, dtype=np.float64)
    if name == "energy":
        value = value / len(frame)
    elif name == "forces_norm":
        value = np.linalg.norm(value, axis=1)
    elif name == "virial":
        value = value * frame.get_volume() / len(frame)
    elif name == "atomization_energy":
        if _is_isolated(frame):
            return None
        missing = sorted({chemical_symbols[n] for n in frame.numbers if int(n) not in isolated})
        if missing:
            raise ValueError(
                "atomization energies need a structure of one isolated atom of each element, "
                f"received none of {', '.join(missing)} with an energy"
            )
        value = (sum(isolated[int(number)] for number in frame.numbers) - value) / len(frame)
    return np.ravel(value)


def _result(frame: Atoms, name: str, prefix: str) -> Any:
    if prefix:
        return frame.info.get(prefix + name, frame.arrays.get(prefix + name))
    return None if frame.calc is None else frame.calc.results.get(name)


def _isolated(frames: Sequence[Atoms], prefix: str) -> dict[int, float]:
    """Return the energies (eV) of the isolated atoms among the structures."""
    energies = {}
    for frame in frames:
        energy = _result(frame, "energy", prefix) if _is_isolated(frame) else None
        if energy is not None:
            energies[int(frame.numbers[0])] = float(energy)
    return energies


def _is_isolated(frame: Atoms) -> bool:
    return len(frame) == 1 and not frame.pbc.any()
