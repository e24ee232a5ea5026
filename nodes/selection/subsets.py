"""Choose structures: random, evenly spaced, farthest apart."""

import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.selection.base import FeatureSelection, Selection, allowed_rows
from nodes.selection.values import frame_values


class SelectRandom(Selection):
    """Choose structures at random, without repetition; they keep their order.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    n_select : how many to choose, in [1, n_candidates]
    exclude : structures that must not be chosen (same elements, positions and cell)
    seed : the same seed chooses the same structures

    Attributes
    ----------
    rows : shape (n_select,), ascending rows of `candidates`
    frames, excluded_frames : chosen and other structures
    """

    n_select: int = zn.params()
    exclude: list[Atoms] | None = zn.deps(None)
    seed: int = zn.params(0)

    def run(self) -> None:
        from nodes.numerics.selection import random_rows

        allowed = allowed_rows(self.candidates, self.exclude)
        self.rows = allowed[random_rows(len(allowed), self.n_select, seed=self.seed)]


class SelectUniform(Selection):
    """Choose evenly spaced structures, e.g. of a trajectory; first and last included.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    n_select : how many to choose, in [1, n_candidates]
    value : what to space evenly: None the sequence (time), ``"energy"`` (eV/atom), ``"volume"``
        (Angstrom^3/atom), ``"info.NAME"`` or ``"arrays.NAME"`` from its lowest to its highest value
    exclude : structures that must not be chosen (same elements, positions and cell)

    Attributes
    ----------
    rows : shape (n_select,), ascending rows of `candidates`
    frames, excluded_frames : chosen and other structures
    """

    n_select: int = zn.params()
    value: str | None = zn.params(None)
    exclude: list[Atoms] | None = zn.deps(None)

    def run(self) -> None:
        from nodes.numerics.selection import spread_rows, uniform_rows

        allowed = allowed_rows(self.candidates, self.exclude)
        if self.value is None:
            self.rows = allowed[uniform_rows(len(allowed), self.n_select)]
        else:
            values = frame_values([self.candidates[row] for row in allowed], self.value)
            self.rows = allowed[spread_rows(values, self.n_select)]


class SelectFarthestPoints(FeatureSelection):
    """Choose structures far from each other, and from those known already, in feature space.

    Greedy: each structure taken is the one farthest from all taken before it. A structure with
    the same features as one taken or known is never chosen.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    n_select : how many to choose, in [1, n_candidates]
    model : gives features of any length: a trained model, or a spec such as GaussianMoments
    exclude : structures known already, e.g. the training set or an earlier selection, which is
        then gone on with: 5 structures and then 5 more are the same as 10 at once

    Attributes
    ----------
    rows : shape (n_select,), rows of `candidates`, the farthest first
    ranking, metrics : how far each pick is from what is known or was picked before
    frames, excluded_frames : chosen structures, the farthest first; other structures in order

    Raises
    ------
    ValueError
        If fewer than `n_select` candidates differ from `exclude` and from each other.
    """

    def run(self) -> None:
        from nodes.numerics.selection import farthest_point

        def pick(own: np.ndarray, known: np.ndarray) -> np.ndarray:
            return farthest_point(own, self.n_select, reference=known)

        self._select(pick)
