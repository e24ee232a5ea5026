"""Pair up reference and predicted values of the same structures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

__all__ = ["Comparison", "check_same_structures", "compared_values", "shown_rows"]

PROPERTIES = {"energy": "eV/atom", "forces": "eV/Angstrom", "stress": "eV/Angstrom^3"}


@dataclass(frozen=True)
class Comparison:
    """One property of many structures, as flat arrays of equal length.

    Attributes
    ----------
    name, unit : e.g. ``"energy"`` per atom in eV/atom, ``"forces"`` by component in eV/Angstrom
        or ``"stress"`` by component in eV/Angstrom^3
    reference, predicted : shape (n_values,), in `unit`
    frame : shape (n_values,), row of the structure that the value belongs to
    """

    name: str
    unit: str
    reference: NDArray[np.float64]
    predicted: NDArray[np.float64]
    frame: NDArray[np.int64]


def compared_values(reference: Sequence[Atoms], predicted: Sequence[Atoms]) -> list[Comparison]:
    """Compare the properties that every structure of both lists has.

    Raises
    ------
    ValueError
        If the lists are empty, do not hold the same structures in the same order, or share no
        property.
    """
    expected, found = list(reference), list(predicted)
    check_same_structures(expected, found)
    comparisons = [
        _comparison(name, expected, found)
        for name in PROPERTIES
        if all(name in _results(frame) for frame in (*expected, *found))
    ]
    if not comparisons:
        raise ValueError(
            f"reference and predicted must share one of {', '.join(PROPERTIES)}, received none; "
            "label the structures first"
        )
    return comparisons


def check_same_structures(reference: Sequence[Atoms], predicted: Sequence[Atoms]) -> None:
    """Raise ValueError unless both lists hold the same structures, at least one, in one order."""
    if len(reference) != len(predicted) or not reference:
        raise ValueError(
            "reference and predicted must be lists of the same structures, at least one, "
            f"received {len(reference)} and {len(predicted)} structures"
        )
    for row, (one, other) in enumerate(zip(reference, predicted, strict=True)):
        if not _is_same_structure(one, other):
            raise ValueError(
                "reference and predicted must hold the same structures in the same order, "
                f"received different structures in row {row}"
            )


def shown_rows(one: Comparison, max_points: int) -> NDArray[np.int64]:
    """Choose values to draw: one half the worst errors, the rest evenly spaced; ascending."""
    from nodes.numerics.selection import uniform_rows

    n_values = len(one.frame)
    if n_values <= max_points:
        return np.arange(n_values)
    order = np.argsort(-np.abs(one.predicted - one.reference), kind="stable")
    n_worst = (max_points + 1) // 2
    rest = np.sort(order[n_worst:])
    even = rest[uniform_rows(len(rest), max_points - n_worst)] if max_points > n_worst else []
    return np.sort(np.concatenate([order[:n_worst], even])).astype(np.int64)


def _comparison(name: str, expected: Sequence[Atoms], found: Sequence[Atoms]) -> Comparison:
    values = [
        [
            np.ravel(_results(frame)[name]) / (len(frame) if name == "energy" else 1)
            for frame in side
        ]
        for side in (expected, found)
    ]
    sizes = [len(value) for value in values[0]]
    return Comparison(
        name=name,
        unit=PROPERTIES[name],
        reference=np.concatenate(values[0]).astype(np.float64),
        predicted=np.concatenate(values[1]).astype(np.float64),
        frame=np.repeat(np.arange(len(expected)), sizes),
    )


def _results(frame: Atoms) -> dict[str, Any]:
    return {} if frame.calc is None else frame.calc.results


def _is_same_structure(one: Atoms, other: Atoms) -> bool:
    """Whether two structures agree to the precision of a text file."""
    return (
        len(one) == len(other)
        and bool((one.numbers == other.numbers).all())
        and np.allclose(one.positions, other.positions, atol=1e-4)
        and np.allclose(one.cell.array, other.cell.array, atol=1e-4)
    )
