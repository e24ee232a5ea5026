"""Look at a selection: a map of all structures, ranking, distances."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

import zn_pipeline as zn
from nodes.extras import require
from nodes.interfaces import HasFeatures

if TYPE_CHECKING:
    import pandas as pd


class PlotSelection(zn.Node):
    """Draw candidates, chosen and known structures on a map of their features.

    Parameters
    ----------
    candidates : structures that were chosen from
    rows : which of them were chosen, in order: ``rows`` of a selecting node
    model : gives features: a trained model, or a spec such as GaussianMoments
    known : structures known before, e.g. the training set
    method : of the map: ``"pca"``, the directions of largest variance, or ``"spectral"``, which
        keeps neighbours together (Laplacian eigenmaps)
    n_neighbors : neighbours of each structure that a spectral map looks at
    title : headline of the plots

    Attributes
    ----------
    places : one row per structure: x, y, kind ("candidate", "chosen" or "known"), row
    ranking : one row per pick: pick (from 1), row, distance to the nearest structure known or
        picked before; of a first pick with nothing known, to the mean of the candidates
    image : PNG: the map, the ranking, and for all candidates the distances to the nearest structure
        known before and after the selection
    metrics : n_candidates, n_chosen, n_known; mean_distance and max_distance of the candidates to
        the nearest structure known or chosen, and with `known` the same before the selection
        (mean_distance_before, max_distance_before); explained_variance of a PCA map

    Raises
    ------
    ValueError
        If a row is out of range or nothing was chosen.
    MissingExtraError
        If matplotlib is not installed.
    """

    candidates: list[Atoms] = zn.deps()
    rows: np.ndarray = zn.deps()
    model: HasFeatures = zn.deps()
    known: list[Atoms] | None = zn.deps(None)
    method: Literal["pca", "spectral"] = zn.params("pca")
    n_neighbors: int = zn.params(15)
    title: str = zn.params("Selection")
    places: "pd.DataFrame" = zn.plots(x="x", y="y", template="scatter", title="Map of structures")
    ranking: "pd.DataFrame" = zn.plots(
        x="pick",
        y="distance",
        x_label="pick",
        y_label="distance to the nearest known or picked before",
        title="Ranking",
    )
    image: Path = zn.plots_path(zn.nwd / "selection.png")
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        import pandas as pd

        from nodes.numerics.selection import nearest_reference, pick_distances

        candidates, known = list(self.candidates), list(self.known or [])
        rows = np.asarray(self.rows, dtype=np.int64)
        n = len(candidates)
        if not len(rows) or rows.min() < 0 or rows.max() >= n:
            raise ValueError(f"rows must be one or more in [0, {n - 1}], received {rows.tolist()}")
        features = np.asarray(self.model.features(candidates + known), dtype=np.float64)
        own, theirs = features[:n], features[n:]
        distances = pick_distances(own, rows, reference=theirs)
        after = nearest_reference(own, np.concatenate([theirs, own[rows]]))[0]
        before = nearest_reference(own, theirs)[0] if known else None
        places, explained = self._places(features)
        kind = np.array(["candidate"] * n + ["known"] * len(known))
        kind[rows] = "chosen"
        numbers = np.concatenate([np.arange(n), np.arange(len(known))])
        table = {"x": places[:, 0], "y": places[:, 1], "kind": kind, "row": numbers}
        self.places = pd.DataFrame(table)
        picks = np.arange(1, len(rows) + 1)
        self.ranking = pd.DataFrame({"pick": picks, "row": rows, "distance": distances})
        self._write_image(places, kind, distances, before, after)
        self.metrics = {"n_candidates": n, "n_chosen": len(rows), "n_known": len(known)}
        self.metrics |= {"mean_distance": float(after.mean()), "max_distance": float(after.max())}
        if before is not None:
            self.metrics["mean_distance_before"] = float(before.mean())
            self.metrics["max_distance_before"] = float(before.max())
        if explained is not None:
            self.metrics["explained_variance"] = explained

    def _places(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], float | None]:
        """Return the place of each structure on the map, and the share of variance it shows."""
        from nodes.numerics.embeddings import principal_components, spectral_map

        if self.method == "pca":
            places, share = principal_components(features, 2)
            return places, float(share.sum())
        if self.method == "spectral":
            return spectral_map(features, 2, n_neighbors=self.n_neighbors), None
        raise ValueError(f'method must be "pca" or "spectral", received {self.method!r}')

    def _write_image(
        self,
        places: NDArray[np.float64],
        kind: NDArray[np.str_],
        distances: NDArray[np.float64],
        before: NDArray[np.float64] | None,
        after: NDArray[np.float64],
    ) -> None:
        figure = require("matplotlib.figure", extra="plots").Figure(
            figsize=(13.5, 4.5), layout="constrained"
        )
        map_, ranking, histogram = figure.subplots(1, 3)
        for name, style in (("candidate", "."), ("known", "x"), ("chosen", "o")):
            x, y = places[kind == name].T
            map_.plot(x, y, style, markersize=4, alpha=0.6, label=name)
        map_.set(xlabel="first coordinate", ylabel="second coordinate")
        map_.legend()
        ranking.plot(np.arange(1, len(distances) + 1), distances, ".-")
        ranking.set(xlabel="pick", ylabel="distance to the nearest taken before")
        shown = [("after", after)] if before is None else [("before", before), ("after", after)]
        for name, values in shown:
            histogram.hist(values, bins=30, alpha=0.6, label=name)
        histogram.set(xlabel="distance to the nearest taken", ylabel="candidates")
        histogram.legend()
        figure.suptitle(self.title)
        figure.savefig(Path(self.image), dpi=150, metadata={"Software": None})
