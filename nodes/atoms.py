"""From `ase.Atoms` to the plain arrays of ``nodes.numerics``."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ase import Atoms

if TYPE_CHECKING:
    from nodes.numerics.structures import Structure

__all__ = ["structure_of", "structures_of"]


def structure_of(atoms: Atoms, *, labelled: bool = False) -> "Structure":
    """Return positions, cell and elements of `atoms` as plain arrays.

    Parameters
    ----------
    atoms : a structure
    labelled : also take over energy (eV) and forces (eV/Angstrom), which must be there

    Raises
    ------
    ValueError
        If labels are asked for and missing, or an array holds NaN.
    """
    from nodes.numerics.structures import Structure

    energy = forces = None
    if labelled:
        results = {} if atoms.calc is None else atoms.calc.results
        missing = [name for name in ("energy", "forces") if name not in results]
        if missing:
            raise ValueError(
                f"structures must be labelled with energy and forces, received {atoms} without "
                f"{' and '.join(missing)}; label them with LabelFrames"
            )
        energy, forces = float(results["energy"]), results["forces"]
    return Structure(
        numbers=atoms.numbers,
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
        energy=energy,
        forces=forces,
    )


def structures_of(frames: Iterable[Atoms], *, labelled: bool = False) -> "list[Structure]":
    """Return all `frames` as plain arrays; an error names the row of the structure.

    Raises
    ------
    ValueError
        If there is no structure, or one cannot be taken over.
    """
    structures = []
    for row, atoms in enumerate(frames):
        try:
            structures.append(structure_of(atoms, labelled=labelled))
        except ValueError as error:
            raise ValueError(f"structure {row}: {error}") from error
    if not structures:
        raise ValueError("there must be at least one structure, received none")
    return structures
