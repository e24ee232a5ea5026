import numpy as np
import pytest
from ase import Atoms

import zn_pipeline as zn
from nodes.numerics.selection import (
    kmeans_plus_plus,
    largest_cluster_maximum_distance,
    max_det,
)
from nodes.selection.batches import SelectKMeansPlusPlus, SelectLCMD, SelectMaxDet

NODES = (SelectMaxDet, SelectLCMD, SelectKMeansPlusPlus)


class PositionFeatures:
    def features(self, frames):
        return np.array([frame.positions[0] for frame in frames]).reshape(-1, 3)


def random_frames(n, seed):
    rng = np.random.default_rng(seed)
    return [Atoms("H", positions=[row]) for row in rng.normal(size=(n, 3))]


CANDIDATES, KNOWN = random_frames(30, 0), random_frames(5, 1)


def chosen(node_class, n_select, candidates=CANDIDATES, exclude=KNOWN, **settings):
    node = node_class(
        candidates=candidates,
        n_select=n_select,
        model=PositionFeatures(),
        exclude=exclude,
        **settings,
    )
    node.run()
    return node


@pytest.mark.parametrize("node_class", NODES)
def test_exactly_n_that_keep_away_from_what_is_known(node_class):
    candidates = [*CANDIDATES, *KNOWN]
    node = chosen(node_class, 12, candidates)
    assert len(set(node.rows.tolist())) == 12
    assert max(node.rows) < 30
    assert len(node.frames) == 12
    assert len(node.excluded_frames) == 23
    assert node.metrics["n_known"] == 5
    assert (node.ranking.distance > 0).all()
    with pytest.raises(ValueError, match=r"n_select must be at most 30, .* received 31"):
        chosen(node_class, 31, candidates)


def test_the_nodes_pick_as_their_functions_do():
    own, known = PositionFeatures().features(CANDIDATES), PositionFeatures().features(KNOWN)
    expected = max_det(own, 6, reference=known, regularisation=0.5)
    assert chosen(SelectMaxDet, 6, regularisation=0.5).rows.tolist() == expected.tolist()
    expected = largest_cluster_maximum_distance(own, 6, reference=known)
    assert chosen(SelectLCMD, 6).rows.tolist() == expected.tolist()
    expected = kmeans_plus_plus(own, 6, reference=known, seed=3)
    assert chosen(SelectKMeansPlusPlus, 6, seed=3).rows.tolist() == expected.tolist()


@pytest.mark.parametrize("node_class", NODES)
def test_what_is_known_changes_what_is_chosen(node_class):
    assert chosen(node_class, 6).rows.tolist() != chosen(node_class, 6, exclude=None).rows.tolist()


@pytest.mark.parametrize("node_class", NODES)
def test_the_nodes_keep_the_contract(node_class):
    zn.testing.check_node(
        node_class, candidates=CANDIDATES, n_select=3, model=PositionFeatures(), exclude=KNOWN
    )
