"""Find structures that occur, or nearly occur, in more than one data set."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

import zn_pipeline as zn
from nodes.atoms import structures_of
from nodes.interfaces import HasFeatures

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ["kind", "set_a", "row_a", "set_b", "row_b", "distance"]


class ReportLeakage(zn.Node):
    """Report duplicates and near-duplicates within and between data sets.

    A model that was trained on what it is tested on looks better than it is. Duplicates are equal
    structures wherever they lie, however they are turned and in whichever order their atoms come.
    Near-duplicates have nearly the same features.

    Parameters
    ----------
    train_frames : structures a model is trained on
    valid_frames, test_frames : structures it is judged by
    descriptor : gives features, e.g. a trained model or GaussianMoments; without one only
        duplicates are looked for
    threshold : how near is too near, as a fraction of the spread of the training set in feature
        space, the root mean square distance from its mean
    max_pairs : so many pairs are listed, the nearest first; all are counted

    Attributes
    ----------
    pairs : one row per pair: kind ("duplicate" or "near"), set_a, row_a, set_b, row_b ("train",
        "valid" or "test", and the row in it), distance (over the spread of the training set;
        0 for duplicates)
    metrics : by pair of sets, e.g. ``metrics["train/test"]``: n_duplicates and n_near (pairs), and
        between sets leaked_fraction: how much of the second set is a duplicate of or near to
        the first; and with a descriptor ``metrics["spread"]`` in its unit

    Raises
    ------
    ValueError
        If the training set is empty, `threshold` is negative, or its structures are all alike.
    """

    train_frames: list[Atoms] = zn.deps()
    valid_frames: list[Atoms] | None = zn.deps(None)
    test_frames: list[Atoms] | None = zn.deps(None)
    descriptor: HasFeatures | None = zn.deps(None)
    threshold: float = zn.params(0.01)
    max_pairs: int = zn.params(1000)
    pairs: "pd.DataFrame" = zn.outs()
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        import pandas as pd

        from nodes.numerics.duplicates import duplicate_pairs

        if self.threshold < 0 or self.max_pairs < 0:
            raise ValueError(
                "threshold and max_pairs must not be negative, received "
                f"{self.threshold} and {self.max_pairs}"
            )
        given = (("train", self.train_frames), ("valid", self.valid_frames))
        sets = [(name, list(x or [])) for name, x in (*given, ("test", self.test_frames))]
        frames = [frame for _, members in sets for frame in members]
        structures = structures_of(frames)
        names = np.array([name for name, members in sets for _ in members])
        rows = np.array([row for _, members in sets for row in range(len(members))])
        found = dict.fromkeys(duplicate_pairs(structures), ("duplicate", 0.0))
        spread = None
        if self.descriptor is not None:
            near, spread = self._near(frames, len(sets[0][1]))
            found = {**near, **found}
        table = [
            (kind, names[a], int(rows[a]), names[b], int(rows[b]), distance)
            for (a, b), (kind, distance) in found.items()
        ]
        table.sort(key=lambda row: (row[5], row[0], row[1:5]))
        self.pairs = pd.DataFrame(table[: self.max_pairs], columns=_COLUMNS)
        self.metrics = _counts(table, [(name, len(members)) for name, members in sets])
        if spread is not None:
            self.metrics["spread"] = spread

    def _near(
        self, frames: Sequence[Atoms], n_train: int
    ) -> tuple[dict[tuple[int, int], tuple[str, float]], float]:
        """Pairs of rows with nearly the same features and their distance; and the spread."""
        from nodes.numerics.selection import close_pairs

        features = np.asarray(self.descriptor.features(frames), np.float64)  # type: ignore[union-attr]
        spread = _spread(features[:n_train])
        first, second, distances = close_pairs(features, features, self.threshold * spread)
        pairs = zip(first.tolist(), second.tolist(), distances.tolist(), strict=True)
        return {(a, b): ("near", d / spread) for a, b, d in pairs if a < b}, spread


def _spread(features: NDArray[np.float64]) -> float:
    """Root mean square distance of rows from their mean."""
    if not len(features):
        raise ValueError("train_frames must hold at least one structure, received none")
    spread = float(np.sqrt(np.mean(np.sum((features - features.mean(axis=0)) ** 2, axis=1))))
    if not spread > 0.0:
        raise ValueError(
            f"train_frames must differ in their features, received {len(features)} that are all "
            "alike; choose another descriptor"
        )
    return spread


def _counts(
    table: Sequence[tuple[str, str, int, str, int, float]], sets: Sequence[tuple[str, int]]
) -> dict[str, Any]:
    """Return the numbers of pairs within and between all sets that are not empty."""
    metrics: dict[str, Any] = {}
    filled = [(name, size) for name, size in sets if size]
    for place, (first, _) in enumerate(filled):
        for second, size in filled[place:]:
            rows = [row for row in table if (row[1], row[3]) == (first, second)]
            entry: dict[str, Any] = {
                "n_duplicates": sum(row[0] == "duplicate" for row in rows),
                "n_near": sum(row[0] == "near" for row in rows),
            }
            if first != second:
                entry["leaked_fraction"] = len({row[4] for row in rows}) / size
            metrics[f"{first}/{second}"] = entry
    return metrics
