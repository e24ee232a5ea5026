"""Features of structures that need no trained model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from nodes.extras import require

__all__ = ["DistanceHistogram", "GaussianMoments", "StoredFeatures"]


@dataclass(frozen=True)
class DistanceHistogram:
    r"""Smooth histogram of the interatomic distances, whatever the elements.

    Column k of atom i is :math:`\sum_{j} f(r_{ij}) \exp(-(r_{ij}-c_k)^2 / 2w^2)` with
    centres :math:`c_k` evenly spaced up to the cutoff, `w` their spacing, and the cosine cutoff
    :math:`f(r) = (1 + \cos(\pi r / r_c)) / 2`. A structure has the mean over its atoms.

    Parameters
    ----------
    cutoff_angstrom : farthest pair that counts
    n_bins : number of columns
    """

    reads: ClassVar[tuple[str, ...]] = ()

    cutoff_angstrom: float = 6.0
    n_bins: int = 32

    def features(self, frames: Sequence[Atoms]) -> NDArray[np.float64]:
        """Return one row per structure, shape (n_frames, n_bins), dimensionless."""
        rows = [atoms.mean(axis=0) for atoms in self.atom_features(frames)]
        return np.array(rows, dtype=np.float64).reshape(len(rows), self.n_bins)

    def atom_features(self, frames: Sequence[Atoms]) -> list[NDArray[np.float64]]:
        """Return for each structure one row per atom, shape (n_atoms, n_bins)."""
        return [self._rows(frame) for frame in frames]

    def _rows(self, frame: Atoms) -> NDArray[np.float64]:
        first, distances = neighbor_list("id", frame, self.cutoff_angstrom)
        width = self.cutoff_angstrom / self.n_bins
        centres = width * np.arange(1, self.n_bins + 1)
        weights = 0.5 * (1.0 + np.cos(np.pi * distances / self.cutoff_angstrom))
        bells = weights[:, None] * np.exp(-((distances[:, None] - centres) ** 2) / (2.0 * width**2))
        rows = np.zeros((len(frame), self.n_bins))
        atoms, starts = np.unique(first, return_index=True)  # pairs come sorted by first atom
        if len(atoms):
            rows[atoms] = np.add.reduceat(bells, starts, axis=0)
        return rows


@dataclass(frozen=True)
class GaussianMoments:
    """Gaussian moments of the neighbourhoods of atoms, contracted to invariants, not trained.

    V. Zaverkin and J. Kästner, *J. Chem. Theory Comput.* **16**, 5410 (2020), with fixed radial
    functions instead of learned ones; see ``nodes.numerics.descriptors``. A structure has, for each
    element, the sum over its atoms of that element divided by the number of all atoms, one after
    the other. Needs the extra ``jax`` (for the list of neighbours).

    Parameters
    ----------
    elements : chemical symbols that may occur
    cutoff_angstrom : farthest neighbour that counts
    n_radial : radial functions of each element of neighbours
    max_rank : highest rank of the moments, 0 to 3; 0 sees distances alone
    normalised : scale each row to length 1 (a row of zeros, of an isolated atom, stays as it is)

    Raises
    ------
    ValueError
        If a parameter is out of range or a structure has another element.
    """

    reads: ClassVar[tuple[str, ...]] = ()

    elements: tuple[str, ...]
    cutoff_angstrom: float = 5.0
    n_radial: int = 4
    max_rank: int = 3
    normalised: bool = True

    def __post_init__(self) -> None:
        unknown = [symbol for symbol in self.elements if symbol not in atomic_numbers]
        if unknown or not self.elements or len(set(self.elements)) < len(self.elements):
            raise ValueError(
                f"elements must be distinct chemical symbols, received {list(self.elements)}"
            )
        if not self.cutoff_angstrom > 0 or self.n_radial < 1 or not 0 <= self.max_rank <= 3:
            raise ValueError(
                "cutoff_angstrom must be positive, n_radial at least 1 and max_rank in [0, 3], "
                f"received {self.cutoff_angstrom}, {self.n_radial} and {self.max_rank}"
            )

    def features(self, frames: Sequence[Atoms]) -> NDArray[np.float64]:
        """Return one row per structure, shape (n_frames, n_elements * n_atom_features)."""
        from nodes.numerics.descriptors import n_moment_features

        width = n_moment_features(len(self.elements), self.n_radial, self.max_rank)
        rows = np.zeros((len(frames), len(self.elements), width))
        for row, frame in zip(rows, frames, strict=True):
            np.add.at(row, self._species(frame), self._rows(frame) / len(frame))
        return self._scaled(rows.reshape(len(frames), -1))

    def atom_features(self, frames: Sequence[Atoms]) -> list[NDArray[np.float64]]:
        """Return for each structure one row per atom, shape (n_atoms, n_atom_features)."""
        return [self._scaled(self._rows(frame)) for frame in frames]

    def _rows(self, frame: Atoms) -> NDArray[np.float64]:
        require("jax", extra="jax")
        from nodes.numerics.descriptors import moment_features
        from nodes.numerics.neighbors.host import neighbor_edges

        species = self._species(frame)
        edges = neighbor_edges(
            frame.positions, frame.cell.array, frame.pbc, cutoff=self.cutoff_angstrom
        )
        return moment_features(
            edges.receivers,
            species[edges.senders],
            edges.vectors,
            n_atoms=len(frame),
            n_elements=len(self.elements),
            cutoff=self.cutoff_angstrom,
            n_radial=self.n_radial,
            max_rank=self.max_rank,
        )

    def _species(self, frame: Atoms) -> NDArray[np.int64]:
        """Return the place of each atom's element in `elements`, shape (n_atoms,)."""
        places = {atomic_numbers[symbol]: place for place, symbol in enumerate(self.elements)}
        unknown = sorted(set(frame.symbols) - set(self.elements))
        if unknown:
            raise ValueError(
                f"structures must hold only the elements {list(self.elements)}, received {unknown}"
            )
        return np.array([places[number] for number in frame.numbers.tolist()], dtype=np.int64)

    def _scaled(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self.normalised:
            return rows
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.where(lengths > 0, lengths, 1.0)


@dataclass(frozen=True)
class StoredFeatures:
    """Features that the structures carry already, from any other program.

    Parameters
    ----------
    name : structures have their row in ``info[name]``, atoms theirs in ``arrays[name]``; a
        structure without the former has the mean over its atoms
    """

    name: str

    def features(self, frames: Sequence[Atoms]) -> NDArray[np.float64]:
        """Return one row per structure, shape (n_frames, n_features)."""
        rows = [
            np.ravel(frame.info[self.name])
            if self.name in frame.info
            else self.atom_features([frame])[0].mean(axis=0)
            for frame in frames
        ]
        return np.array(rows, dtype=np.float64).reshape(len(rows), -1)

    def atom_features(self, frames: Sequence[Atoms]) -> list[NDArray[np.float64]]:
        """Return for each structure one row per atom, shape (n_atoms, n_features)."""
        for frame in frames:
            if self.name not in frame.arrays:
                raise ValueError(
                    f"structures must carry features named {self.name!r}, received {frame} without "
                    "them; choose another descriptor or attach them"
                )
        return [
            np.asarray(frame.arrays[self.name], dtype=np.float64).reshape(len(frame), -1)
            for frame in frames
        ]
