import numpy as np
import pytest

from nodes.numerics.selection import farthest_point


def greedy_by_brute_force(candidates, n_select, reference):
    taken = [tuple(row) for row in reference]
    picked = []
    for _ in range(n_select):
        if taken:
            scores = [min(np.linalg.norm(c - np.array(t)) for t in taken) for c in candidates]
        else:
            scores = [np.linalg.norm(c - candidates.mean(axis=0)) for c in candidates]
        row = max(range(len(candidates)), key=lambda i: (scores[i], -i))
        picked.append(row)
        taken.append(tuple(candidates[row]))
    return picked


@pytest.mark.parametrize("n_reference", [0, 1, 7])
def test_farthest_point_equals_the_brute_force_greedy_order(n_reference):
    rng = np.random.default_rng(1)
    candidates = rng.normal(size=(40, 3))
    reference = rng.normal(size=(n_reference, 3))
    rows = farthest_point(candidates, 15, reference=reference)
    assert rows.tolist() == greedy_by_brute_force(candidates, 15, reference)
    assert rows.dtype == np.int64


def test_farthest_point_can_take_every_candidate():
    candidates = np.random.default_rng(0).normal(size=(12, 2))
    assert sorted(farthest_point(candidates, 12)) == list(range(12))


def test_farthest_point_takes_the_lower_row_of_a_tie():
    candidates = np.array([[1.0], [-1.0], [0.0]])
    assert farthest_point(candidates, 1, reference=[[0.0]]).tolist() == [0]


def test_farthest_point_follows_a_permutation_of_the_candidates():
    rng = np.random.default_rng(3)
    candidates, order = rng.normal(size=(30, 4)), rng.permutation(30)
    rows = farthest_point(candidates[order], 8)
    assert order[rows].tolist() == farthest_point(candidates, 8).tolist()


def test_farthest_point_never_picks_a_duplicate():
    distinct = np.random.default_rng(2).normal(size=(5, 2)) * 1e4 + 0.1
    candidates = np.repeat(distinct, 3, axis=0)
    rows = farthest_point(candidates, 3, reference=distinct[:2])
    assert sorted(rows // 3) == [2, 3, 4]
    with pytest.raises(ValueError, match=r"n_select must be at most 3, .* received 4"):
        farthest_point(candidates, 4, reference=distinct[:2])


def test_farthest_point_of_identical_candidates_picks_one():
    candidates = np.full((4, 2), 0.1)
    assert farthest_point(candidates, 1).tolist() == [0]
    with pytest.raises(ValueError, match="at most 1"):
        farthest_point(candidates, 2)


@pytest.mark.parametrize("n_select", [0, 4])
def test_a_count_out_of_range_is_refused(n_select):
    message = rf"n_select must be in \[1, 3\] for 3 rows, received {n_select}"
    with pytest.raises(ValueError, match=message):
        farthest_point(np.eye(3), n_select)


def test_unusable_features_are_refused():
    with pytest.raises(ValueError, match=r"candidates must have shape .* received shape \(3,\)"):
        farthest_point(np.ones(3), 1)
    with pytest.raises(ValueError, match=r"reference must have 3 columns .* \(1, 2\)"):
        farthest_point(np.eye(3), 1, reference=np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"candidates must be finite, .* row 1"):
        farthest_point([[0.0], [np.nan]], 1)


def test_an_earlier_selection_is_gone_on_with():
    points = np.random.default_rng(5).normal(size=(200, 4)) * 7.0 + 100.0
    at_once = farthest_point(points, 12)
    more = farthest_point(points, 7, reference=points[at_once[:5]])
    assert more.tolist() == at_once[5:].tolist()


def test_near_points_far_from_the_origin_are_told_apart():
    rng = np.random.default_rng(6)
    points = 1e6 + rng.normal(size=(60, 3)) * 1e-4
    rows = farthest_point(points, 20)
    assert rows.tolist() == greedy_by_brute_force(points, 20, [])
