"""What selecting nodes have in common."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

import zn_pipeline as zn
from nodes.atoms import structures_of
from nodes.interfaces import HasFeatures
from nodes.selection.describing import frame_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FeatureSelection", "Selection", "allowed_rows"]

Pick = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.int64]]
"""(features of the candidates, features of what is known) -> rows of the candidates."""


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


class FeatureSelection(Selection):
    """Base of the nodes that choose by features and keep away from what is known.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    n_select : how many to choose, in [1, n_candidates]
    model : gives features of any length: a trained model, or a spec such as GaussianMoments
    exclude : structures known already, e.g. the training set

    Attributes
    ----------
    rows : shape (n_select,), rows of `candidates` in the order in which they were picked
    ranking : one row per pick: pick (from 1), row (of `candidates`), distance in feature space to
        the nearest structure known or picked before; of a first pick with nothing known, to the
        mean of the candidates
    metrics : n_candidates, n_known, n_selected, and of the ranking first_distance, last_distance
        and smallest_distance
    """

    n_select: int = zn.params()
    model: HasFeatures = zn.deps()
    exclude: list[Atoms] | None = zn.deps(None)
    ranking: "pd.DataFrame" = zn.plots(
        x="pick",
        y="distance",
        x_label="pick",
        y_label="distance to the nearest known or picked before",
        title="Ranking",
    )
    metrics: dict[str, Any] = zn.metrics()

    def _select(self, pick: Pick) -> None:
        """Describe all structures, pick, and note how far apart the picks are."""
        import pandas as pd

        from nodes.numerics.selection import pick_distances

        candidates, known = list(self.candidates), list(self.exclude or [])
        features = frame_rows(self, self.model, candidates + known)
        own, theirs = features[: len(candidates)], features[len(candidates) :]
        self.rows = pick(own, theirs)
        distances = pick_distances(own, self.rows, reference=theirs)
        picks = np.arange(1, len(self.rows) + 1)
        self.ranking = pd.DataFrame({"pick": picks, "row": self.rows, "distance": distances})
        self.metrics = {
            "n_candidates": len(candidates),
            "n_known": len(known),
            "n_selected": len(self.rows),
            "first_distance": float(distances[0]),
            "last_distance": float(distances[-1]),
            "smallest_distance": float(distances.min()),
        }


def allowed_rows(candidates: Sequence[Atoms], exclude: Sequence[Atoms] | None) -> NDArray[np.int64]:
    """Rows of the candidates that are not among the excluded structures, ascending.

    A candidate is excluded if it has the same elements, positions and cell as one of them.

    Raises
    ------
    ValueError
        If no candidate is left.
    """
    if exclude is None or not len(exclude):
        return np.arange(len(candidates))
    from nodes.numerics.duplicates import same_atoms

    known = same_atoms(structures_of(candidates), structures_of(exclude))
    if known.all():
        raise ValueError(
            f"exclude must leave at least one candidate, received all {len(candidates)} of them"
        )
    return np.flatnonzero(~known)
