"""Choose structures by leverage scores."""

from typing import Literal

import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.interfaces import HasFeatures
from nodes.selection.base import Selection
from nodes.selection.describing import HasAtomFeatures, atom_rows, frame_rows


class SelectCUR(Selection):
    """Choose the structures that matter most for a low-rank picture of all of them.

    Leverage scores of a CUR decomposition: M. W. Mahoney and P. Drineas, *PNAS* **106**, 697
    (2009). Candidates with equal features have equal scores: take out duplicates beforehand.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    n_select : how many to choose, in [1, n_candidates]
    model : gives features: a trained model, or a spec such as GaussianMoments
    exclude : structures that must not be chosen; a candidate with the features of one of them is
        left out
    per_atom : score atoms instead of structures
    atom_score : score of a structure made of those of its atoms: their ``"sum"``, which favours
        large structures, or their ``"max"``, which favours a single unusual atom
    stochastic : draw structures with their scores as probabilities, instead of the highest scores
    centre : subtract the mean of the features
    kernel_exponent : score the rows of the kernel (scalar product)^exponent instead of the
        features; memory is quadratic in the number of candidates (of atoms with `per_atom`)
    rank : number of singular vectors that count; None takes `n_select`, at most the rank of the
        features
    seed : of the drawing

    Attributes
    ----------
    rows : shape (n_select,), rows of `candidates`, the highest score first, or as they were drawn
    scores : shape (n_candidates,), leverage score of each candidate, 0 where excluded
    frames, excluded_frames : chosen structures in the order of `rows`; other structures in order

    Raises
    ------
    ValueError
        If too few candidates are left, their features are all alike, or a setting is out of range.
    """

    n_select: int = zn.params()
    model: HasFeatures | HasAtomFeatures = zn.deps()
    exclude: list[Atoms] | None = zn.deps(None)
    per_atom: bool = zn.params(False)
    atom_score: Literal["sum", "max"] = zn.params("sum")
    stochastic: bool = zn.params(False)
    centre: bool = zn.params(True)
    kernel_exponent: float | None = zn.params(None)
    rank: int | None = zn.params(None)
    seed: int = zn.params(0)
    scores: np.ndarray = zn.outs()

    def run(self) -> None:
        from nodes.numerics.selection import (
            draw_without_replacement,
            highest_rows,
            leverage_scores,
        )

        if self.atom_score not in ("sum", "max"):
            raise ValueError(f'atom_score must be "sum" or "max", received {self.atom_score!r}')
        features, owner, allowed = self._allowed_rows()
        if not 1 <= self.n_select <= len(allowed):
            raise ValueError(
                f"n_select must be in [1, {len(allowed)}], the number of candidates that are not "
                f"excluded, received {self.n_select}"
            )
        scores = leverage_scores(
            features,
            self.n_select if self.rank is None else self.rank,
            centre=self.centre,
            kernel_exponent=self.kernel_exponent,
        )
        self.scores = np.zeros(len(self.candidates))
        join = np.add if self.atom_score == "sum" else np.maximum
        join.at(self.scores, owner, scores)
        left = self.scores[allowed]
        if self.stochastic:
            with np.errstate(divide="ignore"):
                chosen = draw_without_replacement(np.log(left), self.n_select, seed=self.seed)
        else:
            chosen = highest_rows(left, self.n_select)
        self.rows = allowed[chosen]

    def _allowed_rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return features, the candidate that each row belongs to, and the allowed candidates."""
        from nodes.numerics.selection import rows_present

        candidates, known = list(self.candidates), list(self.exclude or [])
        everything = candidates + known
        if self.per_atom:
            features, owner = atom_rows(self, self.model, everything)
            means = np.zeros((len(everything), features.shape[1]))
            np.add.at(means, owner, features)
            means /= np.bincount(owner)[:, None]
        else:
            features = means = frame_rows(self, self.model, everything)
            owner = np.arange(len(everything))
        n = len(candidates)
        allowed = np.flatnonzero(~rows_present(means[:n], means[n:]))
        kept = np.isin(owner, allowed)
        return features[kept], owner[kept], allowed
