"""Choose structures: random, evenly spaced, farthest apart."""

import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.interfaces import HasFeatures
from nodes.selection.describing import frame_rows


class Selection(zn.Node):
    """Base of the selecting nodes: `rows` of `candidates`, and what follows from them.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified

    Attributes
    ----------
    rows : shape (n_chosen,), rows of `candidates`
    """

    candidates: list[Atoms] = zn.deps()
    rows: np.ndarray = zn.outs()

    @property
    def frames(self) -> zn.Frames:
        """The chosen structures, in the order of `rows`."""
        return zn.Frames.from_any(self.candidates)[self.rows]

    @property
    def excluded_frames(self) -> zn.Frames:
        """The structures that were not chosen, in the order of `candidates`."""
        candidates = zn.Frames.from_any(self.candidates)
        return candidates[np.setdiff1d(np.arange(len(candidates)), self.rows)]


class SelectRandom(Selection):
    """Choose structures at random, without repetition; they keep their order.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    n_select : how many to choose, in [1, n_candidates]
    seed : the same seed chooses the same structures

    Attributes
    ----------
    rows : shape (n_select,), ascending rows of `candidates`
    frames, excluded_frames : chosen and other structures
    """

    n_select: int = zn.params()
    seed: int = zn.params(0)

    def run(self) -> None:
        from nodes.numerics.selection import random_rows

        self.rows = random_rows(len(self.candidates), self.n_select, seed=self.seed)


class SelectUniform(Selection):
    """Choose evenly spaced structures, e.g. of a trajectory; first and last included.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    n_select : how many to choose, in [1, n_candidates]

    Attributes
    ----------
    rows : shape (n_select,), ascending rows of `candidates`
    frames, excluded_frames : chosen and other structures
    """

    n_select: int = zn.params()

    def run(self) -> None:
        from nodes.numerics.selection import uniform_rows

        self.rows = uniform_rows(len(self.candidates), self.n_select)


class SelectFarthestPoints(Selection):
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
    frames, excluded_frames : chosen structures, the farthest first; other structures in order

    Raises
    ------
    ValueError
        If fewer than `n_select` candidates differ from `exclude` and from each other.
    """

    n_select: int = zn.params()
    model: HasFeatures = zn.deps()
    exclude: list[Atoms] | None = zn.deps(None)

    def run(self) -> None:
        from nodes.numerics.selection import farthest_point

        candidates = list(self.candidates)
        known = list(self.exclude or [])
        features = frame_rows(self, self.model, candidates + known)
        n = len(candidates)
        self.rows = farthest_point(features[:n], self.n_select, reference=features[n:])
