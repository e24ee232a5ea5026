"""From `ase.Atoms` to the plain arrays of ``nodes.numerics``."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nodes.numerics.structures import Structure

__all__ = ["structure_of", "structures_of"]


def structure_of(
    atoms: Atoms,
    *,
    labelled: bool = False,
    required: Sequence[str] = ("energy", "forces"),
) -> "Structure":
    """Return positions, cell and elements of `atoms` as plain arrays.

    Parameters
    ----------
    atoms : a structure
    labelled : also take over energy (eV), forces (eV/Angstrom) and stress (eV/Angstrom^3)
    required : which of them must be there

    Raises
    ------
    ValueError
        If labels are asked for and missing, or an array holds NaN.
    """
    from nodes.numerics.structures import Structure

    results = atoms.calc.results if labelled and atoms.calc is not None else {}
    missing = [name for name in required if labelled and name not in results]
    if missing:
        raise ValueError(
            f"structures must be labelled with {' and '.join(required)}, received {atoms} without "
            f"{' and '.join(missing)}; label them with LabelFrames"
        )
    stress = results.get("stress")
    return Structure(
        numbers=atoms.numbers,
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
        energy=results.get("energy"),
        forces=results.get("forces"),
        stress=None if stress is None or not atoms.pbc.all() else _full_stress(stress),
    )


def _full_stress(stress: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a stress in Voigt's order as a matrix; a matrix stays one."""
    return stress if np.shape(stress) == (3, 3) else voigt_6_to_full_3x3_stress(stress)


def structures_of(
    frames: Iterable[Atoms],
    *,
    labelled: bool = False,
    required: Sequence[str] = ("energy", "forces"),
) -> "list[Structure]":
    """Return all `frames` as plain arrays; an error names the row of the structure.

    Raises
    ------
    ValueError
        If there is no structure, or one cannot be taken over.
    """
    structures = []
    for row, atoms in enumerate(frames):
        try:
            structures.append(structure_of(atoms, labelled=labelled, required=required))
        except ValueError as error:
            raise ValueError(f"structure {row}: {error}") from error
    if not structures:
        raise ValueError("there must be at least one structure, received none")
    return structures
