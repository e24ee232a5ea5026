"""Choose batches of structures that teach a model the most together."""

import numpy as np

import zn_pipeline as zn
from nodes.selection.base import FeatureSelection


class SelectMaxDet(FeatureSelection):
    """Choose structures that a linear model in their features is least certain of.

    Greedy: each structure taken is the one of highest posterior variance, given all that is known
    or was taken before it; this makes the determinant of the kernel matrix grow the most.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    n_select : how many to choose, in [1, n_candidates]
    model : gives features of any length, e.g. LastLayerFeatures or GradientFeatures
    exclude : structures known already, e.g. the training set, or an earlier selection
    regularisation : variance of the noise over the mean squared length of the features, positive

    Attributes
    ----------
    rows : shape (n_select,), rows of `candidates`, the least certain first
    ranking, metrics : how far each pick is from what is known or was picked before
    frames, excluded_frames : chosen structures in the order of `rows`; other structures in order

    Raises
    ------
    ValueError
        If fewer than `n_select` candidates differ from `exclude` and from each other.
    """

    regularisation: float = zn.params(1e-6)

    def run(self) -> None:
        from nodes.numerics.selection import max_det

        def pick(own: np.ndarray, known: np.ndarray) -> np.ndarray:
            return max_det(own, self.n_select, reference=known, regularisation=self.regularisation)

        self._select(pick)


class SelectLCMD(FeatureSelection):
    """Choose structures that stand for large unknown regions: largest cluster, maximum distance.

    D. Holzmüller et al., *J. Mach. Learn. Res.* **24**, 164 (2023). Each candidate belongs to the
    nearest structure known or taken; the next is the farthest member of the largest cluster. More
    of them come from where many candidates are than with SelectFarthestPoints.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    n_select : how many to choose, in [1, n_candidates]
    model : gives features of any length, e.g. LastLayerFeatures or GradientFeatures
    exclude : structures known already, e.g. the training set, or an earlier selection

    Attributes
    ----------
    rows : shape (n_select,), rows of `candidates` in the order in which they were picked
    ranking, metrics : how far each pick is from what is known or was picked before
    frames, excluded_frames : chosen structures in the order of `rows`; other structures in order

    Raises
    ------
    ValueError
        If fewer than `n_select` candidates differ from `exclude` and from each other.
    """

    def run(self) -> None:
        from nodes.numerics.selection import largest_cluster_maximum_distance

        def pick(own: np.ndarray, known: np.ndarray) -> np.ndarray:
            return largest_cluster_maximum_distance(own, self.n_select, reference=known)

        self._select(pick)


class SelectKMeansPlusPlus(FeatureSelection):
    """Draw structures at random, in favour of those far from all that is known or drawn.

    D. Arthur and S. Vassilvitskii, *Proc. SODA*, 1027 (2007): the probability is proportional to
    the squared distance to the nearest structure known or drawn before.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    n_select : how many to choose, in [1, n_candidates]
    model : gives features of any length, e.g. LastLayerFeatures or GaussianMoments
    exclude : structures known already, e.g. the training set
    seed : the same seed chooses the same structures

    Attributes
    ----------
    rows : shape (n_select,), rows of `candidates` in the order in which they were drawn
    ranking, metrics : how far each pick is from what is known or was picked before
    frames, excluded_frames : chosen structures in the order of `rows`; other structures in order

    Raises
    ------
    ValueError
        If fewer than `n_select` candidates differ from `exclude` and from each other.
    """

    seed: int = zn.params(0)

    def run(self) -> None:
        from nodes.numerics.selection import kmeans_plus_plus

        def pick(own: np.ndarray, known: np.ndarray) -> np.ndarray:
            return kmeans_plus_plus(own, self.n_select, reference=known, seed=self.seed)

        self._select(pick)
