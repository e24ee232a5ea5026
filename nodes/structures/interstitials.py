"""Additional atoms in the empty space of crystals."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import get_distances

import zn_pipeline as zn
from nodes.structures.checks import known_symbols, require_crystal, require_positive


class BuildInterstitials(zn.Node):
    """Put additional atoms into the empty space between the atoms of a crystal.

    Empty space is looked for at the corners of the Voronoi cells: the octahedral and tetrahedral
    sites of fcc, the tetrahedral ones of bcc, the tetrahedral and hexagonal ones of diamond. (The
    octahedral site of bcc is a saddle, not a maximum, of the distance to the atoms.)

    Parameters
    ----------
    structures : periodic crystals, usually supercells; they are not modified
    elements : the new atoms are drawn from these
    n_interstitials : number of atoms to add
    radius_exponent : a void is drawn with a probability that is its radius to this power; None
        takes the largest ones, in random order among equals
    min_radius_angstrom : smaller voids are not used, nor those nearer than this to an atom that
        was added before
    n_per_frame : number of defective copies of each structure
    seed : of the whole node; each structure has its own stream, whatever stands beside it

    Attributes
    ----------
    frames : ``len(structures) * n_per_frame`` structures, the copies of a structure together; new
        atoms come last; ``info["void_radius_angstrom"]`` has the distance of each from the atoms
        of the crystal

    Raises
    ------
    ValueError
        If a structure is not periodic, or has too few voids of that size.
    """

    structures: list[Atoms] = zn.deps()
    elements: list[str] = zn.params()
    n_interstitials: int = zn.params(1)
    radius_exponent: float | None = zn.params(3.0)
    min_radius_angstrom: float = zn.params(0.5)
    n_per_frame: int = zn.params(1)
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        require_positive(self, "n_interstitials", "n_per_frame")
        new = known_symbols(self, "elements")
        for row, structure in enumerate(self.structures):
            require_crystal(self, structure, row)
        draw = _Interstitials(
            new,
            self.n_interstitials,
            self.radius_exponent,
            self.min_radius_angstrom,
            self.n_per_frame,
        )
        self.frames = self.map(draw, self.structures, seed=self.seed)


@dataclass(frozen=True)
class _Interstitials:
    """Draw the defective copies of one structure."""

    elements: tuple[str, ...]
    n_interstitials: int
    exponent: float | None
    min_radius: float
    n_copies: int

    def __call__(self, structure: Atoms, rng: np.random.Generator) -> list[Atoms]:
        from nodes.numerics.voids import find_voids

        points, radii = find_voids(structure.positions, structure.cell.array)
        large = radii >= self.min_radius
        points, radii = points[large], radii[large]
        return [self._copy(structure, points, radii, stream) for stream in rng.spawn(self.n_copies)]

    def _copy(
        self, structure: Atoms, points: np.ndarray, radii: np.ndarray, rng: np.random.Generator
    ) -> Atoms:
        copy, used, free = structure.copy(), [], np.ones(len(radii), bool)
        for count in range(self.n_interstitials):
            if not free.any():
                raise ValueError(
                    f"BuildInterstitials.n_interstitials must be at most {count}, the number of "
                    f"voids with a radius of {self.min_radius} Angstrom that were found apart "
                    f"from each other, received {self.n_interstitials}; lower min_radius_angstrom"
                )
            if self.exponent is None:
                weights = free & (radii > radii[free].max() - 1e-3)
            else:
                weights = free * radii**self.exponent
            row = int(rng.choice(len(radii), p=weights / weights.sum()))
            copy.extend(Atoms([str(rng.choice(self.elements))], positions=[points[row]]))
            used.append(row)
            _, away = get_distances(points, points[row], structure.cell, structure.pbc)
            free &= away[:, 0] >= max(self.min_radius, 1e-6)
        copy.info["void_radius_angstrom"] = radii[used]
        return copy
