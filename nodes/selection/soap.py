"""Smooth overlap of atomic positions, by DScribe."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from nodes.extras import require

__all__ = ["Soap"]


@dataclass(frozen=True)
class Soap:
    """Power spectrum of the smoothed density of neighbours around each atom.

    A. P. Bartók, R. Kondor and G. Csányi, *Phys. Rev. B* **87**, 184115 (2013); L. Himanen et al.,
    *Comput. Phys. Commun.* **247**, 106949 (2020). A structure has the mean over its atoms. Needs
    the extra ``soap``.

    Parameters
    ----------
    elements : chemical symbols that may occur
    cutoff_angstrom : farthest neighbour that counts
    n_max, l_max : radial functions, and highest degree of the spherical harmonics
    sigma_angstrom : width of the Gaussian of each neighbour
    normalised : scale each row to length 1

    Raises
    ------
    ValueError
        If a structure has another element.
    MissingExtraError
        If DScribe is not installed.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ("dscribe",)

    elements: tuple[str, ...]
    cutoff_angstrom: float = 5.0
    n_max: int = 6
    l_max: int = 4
    sigma_angstrom: float = 0.5
    normalised: bool = True

    def features(self, frames: Sequence[Atoms]) -> NDArray[np.float64]:
        """Return one row per structure, shape (n_frames, n_features)."""
        rows = [self._rows(frame).mean(axis=0) for frame in frames]
        return self._scaled(np.array(rows).reshape(len(rows), -1))

    def atom_features(self, frames: Sequence[Atoms]) -> list[NDArray[np.float64]]:
        """Return for each structure one row per atom, shape (n_atoms, n_features)."""
        return [self._scaled(self._rows(frame)) for frame in frames]

    def _rows(self, frame: Atoms) -> NDArray[np.float64]:
        unknown = sorted(set(frame.symbols) - set(self.elements))
        if unknown:
            raise ValueError(
                f"structures must hold only the elements {list(self.elements)}, received {unknown}"
            )
        return np.asarray(self._makers[bool(frame.pbc.any())].create(frame), dtype=np.float64)

    @cached_property
    def _makers(self) -> dict[bool, Any]:
        """One maker of descriptors for isolated and one for periodic structures."""
        soap = require("dscribe.descriptors", extra="soap").SOAP
        return {
            periodic: soap(
                species=list(self.elements),
                r_cut=self.cutoff_angstrom,
                n_max=self.n_max,
                l_max=self.l_max,
                sigma=self.sigma_angstrom,
                periodic=periodic,
            )
            for periodic in (False, True)
        }

    def __getstate__(self) -> dict[str, Any]:
        """Leave the makers behind: another process makes its own."""
        return {name: value for name, value in vars(self).items() if name != "_makers"}

    def _scaled(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.where(lengths > 0, lengths, 1.0) if self.normalised else rows
