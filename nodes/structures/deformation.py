"""Structures around given ones: displaced atoms, strained cells."""

import numpy as np
from ase import Atoms

import zn_pipeline as zn


class RattleStructures(zn.Node):
    """Displace every atom by Gaussian noise; atoms that a constraint fixes stay.

    Parameters
    ----------
    structures : structures to start from; they are not modified
    stdev_angstrom : standard deviation of each displacement component
    n_per_frame : number of rattled copies of each structure
    seed : each copy of each structure draws from a stream of its own, which depends on the
        structure and not on its place among others

    Attributes
    ----------
    frames : ``len(structures) * n_per_frame`` structures, the copies of a structure together
    """

    structures: list[Atoms] = zn.deps()
    stdev_angstrom: float = zn.params(0.05)
    n_per_frame: int = zn.params(1)
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        _check_copies(self.n_per_frame, self.stdev_angstrom, name="stdev_angstrom")
        self.frames = []
        structures = list(self.structures)
        seeds = zn.structure_seeds(self.seed, structures)
        for structure, seed in zip(structures, seeds, strict=True):
            for k in range(self.n_per_frame):
                rng = np.random.default_rng([seed, k])
                rattled = structure.copy()
                noise = rng.normal(scale=self.stdev_angstrom, size=(len(structure), 3))
                rattled.set_positions(structure.positions + noise)
                self.frames.append(rattled)


class StrainStructures(zn.Node):
    r"""Strain the cell of every structure; atoms keep their fractional coordinates.

    The new lattice vectors are :math:`a_i (I + \epsilon)` with rows :math:`a_i`, where
    :math:`\epsilon = s I` plus, if `stdev` is not 0, a symmetric matrix of Gaussian noise.

    Parameters
    ----------
    structures : periodic structures; they are not modified
    strains : linear isotropic strains s, dimensionless; 0.01 makes each edge 1 % longer
    stdev : standard deviation of the noise on each of the six strain components, dimensionless
    n_per_strain : number of copies for each strain
    seed : each copy of each structure draws from a stream of its own, which depends on the
        structure and not on its place among others

    Attributes
    ----------
    frames : ``len(structures) * len(strains) * n_per_strain`` structures, in that nesting
    """

    structures: list[Atoms] = zn.deps()
    strains: list[float] = zn.params([0.0])
    stdev: float = zn.params(0.0)
    n_per_strain: int = zn.params(1)
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        _check_copies(self.n_per_strain, self.stdev, name="stdev")
        if min(self.strains, default=0.0) <= -1.0:
            raise ValueError(f"strains must be above -1, received {self.strains}")
        self.frames = []
        structures = list(self.structures)
        seeds = zn.structure_seeds(self.seed, structures)
        for i, structure in enumerate(structures):
            if structure.cell.rank != 3:
                raise ValueError(
                    f"structures must have a cell of three vectors, received structure {i} with "
                    f"cell {structure.cell.array.tolist()}"
                )
            for j, strain in enumerate(self.strains):
                for k in range(self.n_per_strain):
                    rng = np.random.default_rng([seeds[i], j, k])
                    deformation = (1.0 + strain) * np.eye(3) + _symmetric_noise(rng, self.stdev)
                    strained = structure.copy()
                    strained.set_constraint()
                    strained.set_cell(structure.cell.array @ deformation, scale_atoms=True)
                    strained.set_constraint(structure.constraints)
                    self.frames.append(strained)


def _symmetric_noise(rng: np.random.Generator, stdev: float) -> np.ndarray:
    """Return a symmetric matrix, shape (3, 3), of six independent Gaussian values."""
    upper = np.triu(rng.normal(scale=stdev, size=(3, 3)))
    return upper + np.triu(upper, 1).T


def _check_copies(n_copies: int, stdev: float, *, name: str) -> None:
    if n_copies < 1 or stdev < 0:
        raise ValueError(
            f"the number of copies must be at least 1 and {name} 0 or more, "
            f"received {n_copies} and {stdev}"
        )
