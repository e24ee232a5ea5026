import ase.build
import numpy as np
import pytest
from ase import Atoms

from nodes.selection.base import allowed_rows
from nodes.selection.subsets import SelectFarthestPoints


def numbered(*numbers):
    return [Atoms("H", positions=[[number, 0, 0]]) for number in numbers]


class PositionFeatures:
    def features(self, frames):
        return np.array([frame.positions[0] for frame in frames]).reshape(-1, 3)


def test_the_ranking_tells_how_far_each_pick_was_from_all_before():
    node = SelectFarthestPoints(
        candidates=numbered(1, 2, 5, 9),
        n_select=3,
        model=PositionFeatures(),
        exclude=numbered(0),
    )
    node.run()
    assert node.ranking.pick.tolist() == [1, 2, 3]
    assert node.ranking.row.tolist() == node.rows.tolist() == [3, 2, 1]
    assert node.ranking.distance.tolist() == [9.0, 4.0, 2.0]
    assert node.metrics == {
        "n_candidates": 4,
        "n_known": 1,
        "n_selected": 3,
        "first_distance": 9.0,
        "last_distance": 2.0,
        "smallest_distance": 2.0,
    }


def test_without_known_structures_the_first_distance_is_that_to_the_mean():
    node = SelectFarthestPoints(candidates=numbered(0, 1, 8), n_select=2, model=PositionFeatures())
    node.run()
    assert node.ranking.distance.tolist() == [5.0, 8.0]


def test_allowed_rows_are_not_among_the_excluded():
    frames = numbered(0, 1, 2, 1)
    assert allowed_rows(frames, None).tolist() == [0, 1, 2, 3]
    assert allowed_rows(frames, []).tolist() == [0, 1, 2, 3]
    assert allowed_rows(frames, [*numbered(1, 7), ase.build.bulk("Cu")]).tolist() == [0, 2]
    with pytest.raises(ValueError, match=r"exclude must leave .* received all 4 of them"):
        allowed_rows(frames, numbered(0, 1, 2))
