"""Crystals and their surfaces."""

import ase.build
from ase import Atoms

import zn_pipeline as zn


class BuildBulk(zn.Node):
    """Build a crystal from its lattice type.

    Parameters
    ----------
    formula : chemical formula of the basis, e.g. ``"Cu"`` or ``"NaCl"``
    crystal_structure : lattice type of ASE, e.g. ``"fcc"``; None takes the element's own
    a_angstrom : lattice constant; None takes the element's own
    cubic : the conventional cubic cell instead of the primitive one
    repeat : number of cells along each axis

    Attributes
    ----------
    frames : one periodic structure; positions and cell in Angstrom
    """

    formula: str = zn.params()
    crystal_structure: str | None = zn.params(None)
    a_angstrom: float | None = zn.params(None)
    cubic: bool = zn.params(False)
    repeat: tuple[int, int, int] = zn.params((1, 1, 1))
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        _check_repeat(self.repeat)
        crystal = ase.build.bulk(
            self.formula, self.crystal_structure, a=self.a_angstrom, cubic=self.cubic
        )
        self.frames = [crystal.repeat(self.repeat)]


class BuildSurface(zn.Node):
    """Cut a slab with vacuum above and below from each crystal; its normal is the third axis.

    Parameters
    ----------
    structures : crystals in their conventional cells
    miller_indices : (h, k, l) of the surface
    n_layers : number of equivalent layers
    vacuum_angstrom : vacuum on each side
    repeat : number of cells along the two in-plane axes

    Attributes
    ----------
    frames : one slab per crystal, periodic along the two in-plane axes only; Angstrom
    """

    structures: list[Atoms] = zn.deps()
    miller_indices: tuple[int, int, int] = zn.params((1, 1, 1))
    n_layers: int = zn.params(4)
    vacuum_angstrom: float = zn.params(10.0)
    repeat: tuple[int, int] = zn.params((1, 1))
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        repeat = (*self.repeat, 1)
        _check_repeat(repeat)
        self.frames = [
            ase.build.surface(
                crystal, self.miller_indices, self.n_layers, vacuum=self.vacuum_angstrom
            ).repeat(repeat)
            for crystal in self.structures
        ]


def _check_repeat(repeat: tuple[int, ...]) -> None:
    if min(repeat) < 1:
        raise ValueError(f"repeat must be at least 1 along each axis, received {tuple(repeat)}")
