"""Choose structures by their energies, volumes and compositions."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

import zn_pipeline as zn
from nodes.selection.base import Selection, allowed_rows
from nodes.selection.values import frame_values


class SelectFlatHistogram(Selection):
    """Choose structures so that a property of theirs is spread evenly, or biased to low values.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    n_select : how many to choose: exactly that many, or an error
    value : ``"energy"`` (eV/atom, must be labelled), ``"volume"`` (Angstrom^3/atom),
        ``"info.NAME"``, a number in the info of the structures, or ``"arrays.NAME"``, the largest
        size of the numbers or vectors of the atoms
    n_bins : number of bins of equal width; None takes a number that suits the data
    kt : weigh values v by exp(-v / kt); in the unit of the value; None is flat
    by_bin : share out the number among the bins as evenly as possible; otherwise each structure is
        drawn with its weight divided by the number in its bin, and the histogram is flat on average
    replace : whether a structure may be chosen more than once
    exclude : structures that must not be chosen (same elements, positions and cell)
    seed : the same seed chooses the same structures

    Attributes
    ----------
    rows : shape (n_select,), ascending rows of `candidates`
    frames, excluded_frames : chosen structures in order; structures that were never chosen

    Raises
    ------
    ValueError
        If a structure does not have the value, there are too few structures, or a setting is out
        of range.
    """

    n_select: int = zn.params()
    value: str = zn.params("energy")
    n_bins: int | None = zn.params(None)
    kt: float | None = zn.params(None)
    by_bin: bool = zn.params(True)
    replace: bool = zn.params(False)
    exclude: list[Atoms] | None = zn.deps(None)
    seed: int = zn.params(0)

    def run(self) -> None:
        from nodes.numerics.histogram import flat_histogram

        allowed = allowed_rows(self.candidates, self.exclude)
        chosen = flat_histogram(
            frame_values([self.candidates[row] for row in allowed], self.value),
            self.n_select,
            n_bins=self.n_bins,
            kt=self.kt,
            by_bin=self.by_bin,
            replace=self.replace,
            seed=self.seed,
        )
        self.rows = allowed[chosen]


class SelectConvexHull(Selection):
    """Choose structures on, or near, the lower convex hull of the energy per atom.

    The hull is taken over the composition, with any number of elements, and over the volume per
    atom. A structure on it is more stable than any mixture of others with the same composition and
    volume.

    Parameters
    ----------
    candidates : structures with energies; they are not modified
    n_select : how many to choose, those nearest to the hull; None takes all that are near enough
    max_distance_ev_per_atom : with ``n_select=None``: how far above the hull a structure may lie
    with_volume : whether the volume is a coordinate; if so all structures must be periodic
    exclude : structures that must not be chosen (same elements, positions and cell)

    Attributes
    ----------
    rows : rows of `candidates`, the nearest to the hull first; ties take the lower row
    distances : shape (n_candidates,), energy above the hull of each candidate, eV/atom
    frames, excluded_frames : chosen structures in the order of `rows`; other structures in order

    Raises
    ------
    ValueError
        If a structure has no energy or no volume, or `n_select` is not in [1, n_candidates].
    """

    n_select: int | None = zn.params(None)
    max_distance_ev_per_atom: float = zn.params(0.0)
    with_volume: bool = zn.params(True)
    exclude: list[Atoms] | None = zn.deps(None)
    distances: np.ndarray = zn.outs()

    def run(self) -> None:
        from nodes.numerics.hull import distance_above_hull
        from nodes.numerics.selection import highest_rows

        if self.max_distance_ev_per_atom < 0:
            raise ValueError(
                "max_distance_ev_per_atom must not be negative, received "
                f"{self.max_distance_ev_per_atom}"
            )
        candidates = list(self.candidates)
        coordinates = _composition(candidates)
        if self.with_volume:
            coordinates = np.column_stack([coordinates, frame_values(candidates, "volume")])
        self.distances = distance_above_hull(coordinates, frame_values(candidates, "energy"))
        allowed = allowed_rows(candidates, self.exclude)
        near = int(np.sum(self.distances[allowed] <= self.max_distance_ev_per_atom))
        count = near if self.n_select is None else self.n_select
        self.rows = allowed[highest_rows(-self.distances[allowed], count)]


def _composition(frames: Sequence[Atoms]) -> NDArray[np.float64]:
    """Return the fraction of each element that occurs, shape (n_frames, n_elements)."""
    elements = sorted({int(number) for frame in frames for number in frame.numbers})
    fractions = [[np.mean(frame.numbers == element) for element in elements] for frame in frames]
    return np.array(fractions, dtype=np.float64).reshape(len(frames), len(elements))
