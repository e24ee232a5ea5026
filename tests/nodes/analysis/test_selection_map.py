from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

import zn_pipeline as zn
from nodes.analysis.selection_map import PlotSelection


class PositionFeatures:
    def features(self, frames):
        return np.array([frame.positions[0] for frame in frames]).reshape(-1, 3)


def placed(rows):
    return [Atoms("H", positions=[row]) for row in rows]


CANDIDATES = placed(np.random.default_rng(0).normal(size=(40, 3)) * [3.0, 1.0, 0.1])
KNOWN = placed(np.random.default_rng(1).normal(size=(4, 3)))


def drawn(**fields):
    node = PlotSelection(
        candidates=CANDIDATES, rows=np.array([5, 2, 30]), model=PositionFeatures(), **fields
    )
    node.run()
    return node


@pytest.mark.parametrize("method", ["pca", "spectral"])
def test_every_structure_has_its_place_and_kind(method):
    node = drawn(known=KNOWN, method=method)
    assert Path(node.image).read_bytes()[:4] == b"\x89PNG"
    assert len(node.places) == 44
    assert node.places.kind.value_counts().to_dict() == {"candidate": 37, "chosen": 3, "known": 4}
    assert node.places.row[node.places.kind == "chosen"].tolist() == [2, 5, 30]
    assert np.isfinite(node.places[["x", "y"]].to_numpy()).all()
    assert ("explained_variance" in node.metrics) == (method == "pca")


def test_the_numbers_are_distances_to_the_nearest():
    node = drawn(known=KNOWN)
    own, known = (PositionFeatures().features(frames) for frames in (CANDIDATES, KNOWN))

    def nearest(reference):
        return np.linalg.norm(own[:, None] - reference, axis=-1).min(axis=1)

    before, after = nearest(known), nearest(np.concatenate([known, own[[5, 2, 30]]]))
    assert node.metrics["mean_distance_before"] == pytest.approx(before.mean())
    assert node.metrics["max_distance_before"] == pytest.approx(before.max())
    assert node.metrics["mean_distance"] == pytest.approx(after.mean())
    assert node.metrics["max_distance"] == pytest.approx(after.max())
    assert node.ranking.row.tolist() == [5, 2, 30]
    second = nearest(np.concatenate([known, own[[5]]]))[2]
    assert node.ranking.distance[:2].tolist() == pytest.approx([before[5], second])
    covariance = np.linalg.eigvalsh(np.cov(np.concatenate([own, known]).T))
    assert node.metrics["explained_variance"] == pytest.approx(
        covariance[1:].sum() / covariance.sum()
    )


def test_it_works_without_known_structures():
    node = drawn()
    assert "mean_distance_before" not in node.metrics
    assert node.metrics["n_known"] == 0


def test_unusable_rows_and_methods_are_refused():
    node = PlotSelection(
        candidates=CANDIDATES, rows=np.array([40]), model=PositionFeatures(), method="pca"
    )
    with pytest.raises(ValueError, match=r"rows must be one or more in \[0, 39\], received \[40\]"):
        node.run()


def test_the_node_keeps_the_contract():
    zn.testing.check_node(
        PlotSelection, candidates=CANDIDATES, rows=np.array([1, 3]), model=PositionFeatures()
    )
