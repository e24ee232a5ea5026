"""Split structures into disjoint sets."""

import numpy as np
from ase import Atoms

import zn_pipeline as zn


class SplitFrames(zn.Node):
    """Split structures at random into disjoint training, validation and test sets.

    Parameters
    ----------
    structures : structures to split
    n_valid : number of validation structures
    n_test : number of test structures
    n_train : number of training structures; None takes all the rest
    seed : the same seed gives the same sets

    Attributes
    ----------
    train_rows, valid_rows, test_rows : shape (n_...,), ascending rows of `structures`
    train_frames, valid_frames, test_frames : the structures themselves

    Raises
    ------
    ValueError
        If the sets do not fit, or the training set would be empty.
    """

    structures: list[Atoms] = zn.deps()
    n_valid: int = zn.params()
    n_test: int = zn.params(0)
    n_train: int | None = zn.params(None)
    seed: int = zn.params(0)
    train_rows: np.ndarray = zn.outs()
    valid_rows: np.ndarray = zn.outs()
    test_rows: np.ndarray = zn.outs()

    def run(self) -> None:
        total = len(self.structures)
        n_train = total - self.n_valid - self.n_test if self.n_train is None else self.n_train
        sizes = (n_train, self.n_valid, self.n_test)
        if min(sizes) < 0 or n_train == 0 or sum(sizes) > total:
            raise ValueError(
                f"n_train, n_valid and n_test must be 0 or more, leave a training set and add up "
                f"to at most {total} structures, received {sizes}"
            )
        order = np.random.default_rng(self.seed).permutation(total)
        # Test rows come first: they stay the same when the training set alone changes its size.
        test, valid, train, _ = np.split(order, np.cumsum(sizes[::-1]))
        self.test_rows, self.valid_rows = np.sort(test), np.sort(valid)
        self.train_rows = np.sort(train)

    @property
    def train_frames(self) -> zn.Frames:
        """Structures to train on."""
        return zn.Frames.from_any(self.structures)[self.train_rows]

    @property
    def valid_frames(self) -> zn.Frames:
        """Structures to choose the best epoch by."""
        return zn.Frames.from_any(self.structures)[self.valid_rows]

    @property
    def test_frames(self) -> zn.Frames:
        """Structures to judge the model by."""
        return zn.Frames.from_any(self.structures)[self.test_rows]
