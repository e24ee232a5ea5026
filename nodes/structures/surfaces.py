"""Slabs of all orientations."""

from dataclasses import dataclass

import ase.build
import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce

import zn_pipeline as zn
from nodes.structures.checks import require_crystal, require_positive


class BuildSurfaces(zn.Node):
    """Cut slabs of every distinct orientation up to a Miller index from each crystal.

    Planes that a rotation or reflection of the crystal maps onto each other are taken once.
    Works for cells of any shape; Miller indices belong to the cell that is given.

    Parameters
    ----------
    structures : crystals; they are not modified
    max_index : largest absolute value of a Miller index
    min_thickness_angstrom : the slab has so many lattice planes that their number times their
        distance is at least this
    vacuum_angstrom : vacuum on each side
    min_width_angstrom : repeat the slab along its surface until it is at least so wide
    max_n_atoms : leave out slabs with more atoms

    Attributes
    ----------
    frames : slabs of each crystal, simple indices first; the third axis is normal to the surface
        and not periodic; ``info["miller_indices"]`` has (h, k, l)

    Raises
    ------
    ValueError
        If a structure is not periodic, or `max_n_atoms` leaves nothing.
    """

    structures: list[Atoms] = zn.deps()
    max_index: int = zn.params(1)
    min_thickness_angstrom: float = zn.params(8.0)
    vacuum_angstrom: float = zn.params(10.0)
    min_width_angstrom: float = zn.params(0.0)
    max_n_atoms: int | None = zn.params(None)
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        require_positive(self, "max_index")
        for row, crystal in enumerate(self.structures):
            require_crystal(self, crystal, row)
        if min(self.min_thickness_angstrom, self.vacuum_angstrom, self.min_width_angstrom) < 0:
            raise ValueError(
                "BuildSurfaces.min_thickness_angstrom, vacuum_angstrom and min_width_angstrom must "
                f"be 0 or more, received {self.min_thickness_angstrom}, {self.vacuum_angstrom} "
                f"and {self.min_width_angstrom}"
            )
        cut = _Slabs(
            self.max_index,
            self.min_thickness_angstrom,
            self.vacuum_angstrom,
            self.min_width_angstrom,
        )
        largest = self.max_n_atoms or np.inf
        slabs = list(self.map(cut, self.structures))
        self.frames = [slab for slab in slabs if len(slab) <= largest]
        if slabs and not self.frames:
            raise ValueError(
                f"BuildSurfaces.max_n_atoms must be at least {min(map(len, slabs))} to allow one "
                f"slab, received {self.max_n_atoms}"
            )


@dataclass(frozen=True)
class _Slabs:
    """Cut all slabs of one crystal."""

    max_index: int
    thickness: float
    vacuum: float
    width: float

    def __call__(self, crystal: Atoms) -> list[Atoms]:
        from nodes.numerics.crystal_symmetry import distinct_planes, point_group

        rotations = point_group(crystal.numbers, crystal.positions, crystal.cell.array)
        return [self._slab(crystal, hkl) for hkl in distinct_planes(rotations, self.max_index)]

    def _slab(self, crystal: Atoms, hkl: tuple[int, int, int]) -> Atoms:
        spacing = 1.0 / float(np.linalg.norm(hkl @ crystal.cell.reciprocal().array))
        n_planes = max(1, int(np.ceil(self.thickness / spacing - 1e-9)))
        slab = ase.build.surface(crystal, hkl, n_planes, vacuum=self.vacuum)
        # The cell that the indices lead to may be very oblique.
        slab.set_cell(minkowski_reduce(slab.cell, pbc=slab.pbc)[0])
        slab.wrap()
        area = float(np.linalg.norm(np.cross(slab.cell[0], slab.cell[1])))
        widths = area / slab.cell.lengths()[[1, 0]]
        repeat = np.maximum(1, np.ceil(self.width / widths - 1e-9)).astype(int)
        slab = slab.repeat((*repeat.tolist(), 1))
        slab.info["miller_indices"] = np.array(hkl)
        return slab
