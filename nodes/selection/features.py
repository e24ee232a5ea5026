"""Features of structures that need no trained model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

__all__ = ["DistanceHistogram"]


@dataclass(frozen=True)
class DistanceHistogram:
    r"""Smooth histogram of the interatomic distances, whatever the elements.

    Column k is :math:`\frac{1}{N}\sum_{i \neq j} f(r_{ij}) \exp(-(r_{ij}-c_k)^2 / 2w^2)` with
    centres :math:`c_k` evenly spaced up to the cutoff, `w` their spacing, and the cosine cutoff
    :math:`f(r) = (1 + \cos(\pi r / r_c)) / 2`.

    Parameters
    ----------
    cutoff_angstrom : farthest pair that counts
    n_bins : number of columns
    """

    cutoff_angstrom: float = 6.0
    n_bins: int = 32

    def features(self, frames: Sequence[Atoms]) -> NDArray[np.float64]:
        """Return one row per structure, shape (n_frames, n_bins), dimensionless."""
        rows = [self._row(frame) for frame in frames]
        return np.array(rows, dtype=np.float64).reshape(len(rows), self.n_bins)

    def _row(self, frame: Atoms) -> NDArray[np.float64]:
        distances = neighbor_list("d", frame, self.cutoff_angstrom)
        width = self.cutoff_angstrom / self.n_bins
        centres = width * np.arange(1, self.n_bins + 1)
        weights = 0.5 * (1.0 + np.cos(np.pi * distances / self.cutoff_angstrom))
        bells = np.exp(-((distances[:, None] - centres) ** 2) / (2.0 * width**2))
        return weights @ bells / len(frame)
