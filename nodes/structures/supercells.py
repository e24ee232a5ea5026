"""Large cells of a crystal."""

from dataclasses import dataclass

import ase.build
import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.structures.checks import require_crystal


class BuildSupercells(zn.Node):
    """Build of each crystal the widest cell, nearly a cube, that has few enough atoms.

    The width of a cell is the smallest distance between two opposite faces. Cubes are the widest
    cells of a volume, so this is the largest supercell that is nearly cubic; also sheared and
    rotated ones (an fcc cube from its primitive cell) are looked at. Of equally wide cells the
    smallest is taken.

    Parameters
    ----------
    structures : crystals; they are not modified
    max_n_atoms : largest number of atoms

    Attributes
    ----------
    frames : one supercell per crystal, ``info["supercell_matrix"]`` (3, 3) has its lattice vectors
        as rows in units of those of the crystal

    Raises
    ------
    ValueError
        If a structure is not periodic along all axes or larger than `max_n_atoms` by itself.
    """

    structures: list[Atoms] = zn.deps()
    max_n_atoms: int = zn.params()
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        for row, crystal in enumerate(self.structures):
            require_crystal(self, crystal, row)
            if len(crystal) > self.max_n_atoms:
                raise ValueError(
                    "BuildSupercells.max_n_atoms must be at least the number of atoms of each "
                    f"structure, received {self.max_n_atoms} and {len(crystal)} in row {row}"
                )
        self.frames = self.map(_Widest(self.max_n_atoms), self.structures)


@dataclass(frozen=True)
class _Widest:
    """Build the widest supercell of one crystal."""

    max_n_atoms: int

    def __call__(self, crystal: Atoms) -> Atoms:
        from nodes.numerics.lattices import widest_supercell

        matrix = widest_supercell(crystal.cell.array, self.max_n_atoms // len(crystal))
        return supercell(crystal, matrix)


def supercell(crystal: Atoms, matrix: np.ndarray) -> Atoms:
    """Return a supercell whose lattice vectors are the rows of ``matrix @ cell``."""
    made = ase.build.make_supercell(crystal, matrix)
    made.info["supercell_matrix"] = np.array(matrix, np.int64)
    return made
