import numpy as np
import pytest

from nodes.numerics.selection import close_pairs, nearest_reference
from nodes.numerics.selection.nearest import Nearest


def all_distances(rows, reference):
    return np.linalg.norm(rows[:, None] - reference[None], axis=-1)


def test_distance_and_owner_are_those_of_the_nearest_taken():
    rng = np.random.default_rng(0)
    points, taken = 50.0 + rng.normal(size=(80, 4)), 50.0 + rng.normal(size=(12, 4))
    nearest = Nearest(points)
    nearest.take_all(taken)
    distances = all_distances(points, taken)
    np.testing.assert_allclose(np.sqrt(nearest.squared), distances.min(axis=1), rtol=1e-12)
    assert nearest.owner.tolist() == distances.argmin(axis=1).tolist()
    assert nearest.n_taken == 12


def test_the_first_of_equal_owners_counts_and_duplicates_are_exactly_zero():
    points = np.array([[0.1, 1e5], [0.3, 1e5]])
    nearest = Nearest(points)
    nearest.take_all(np.array([[0.1, 1e5], [0.1, 1e5]]))
    assert nearest.owner.tolist() == [0, 0]
    assert nearest.squared[0] == 0.0


def test_nearest_reference_equals_brute_force():
    rng = np.random.default_rng(1)
    rows, reference = 7.0 + rng.normal(size=(60, 5)), 7.0 + rng.normal(size=(31, 5))
    reference[4] = rows[10]
    distances, found = nearest_reference(rows, reference)
    expected = all_distances(rows, reference)
    assert found.tolist() == expected.argmin(axis=1).tolist()
    np.testing.assert_allclose(distances, expected.min(axis=1), rtol=1e-12)
    assert distances[10] == 0.0


def test_no_row_is_its_own_nearest():
    rows = np.random.default_rng(2).normal(size=(40, 3))
    rows[7] = rows[3]
    distances, found = nearest_reference(rows, rows, skip_self=True)
    expected = all_distances(rows, rows)
    np.fill_diagonal(expected, np.inf)
    np.testing.assert_allclose(distances, expected.min(axis=1), atol=1e-12)
    assert (found[3], found[7], distances[3]) == (7, 3, 0.0)
    with pytest.raises(ValueError, match="at least 2 rows, received 1"):
        nearest_reference(rows[:1], rows[:1], skip_self=True)


def test_close_pairs_are_all_pairs_below_the_threshold_the_closest_first():
    rng = np.random.default_rng(3)
    rows, reference = 1e3 + rng.normal(size=(50, 2)), 1e3 + rng.normal(size=(70, 2))
    reference[5] = rows[9]
    first, second, distances = close_pairs(rows, reference, 0.2)
    expected = all_distances(rows, reference)
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    assert pairs == set(zip(*(index.tolist() for index in np.nonzero(expected < 0.2)), strict=True))
    assert (first[0], second[0], distances[0]) == (9, 5, 0.0)
    assert (np.diff(distances) >= 0).all()
    np.testing.assert_allclose(distances, expected[first, second], atol=1e-10)


def test_close_pairs_may_be_none_and_must_not_be_too_many():
    rows = np.zeros((5, 2))
    assert [len(part) for part in close_pairs(rows, rows[:0], 1.0)] == [0, 0, 0]
    assert len(close_pairs(rows, rows + 9.0, 1.0)[0]) == 0
    with pytest.raises(ValueError, match=r"at most 20 close pairs, received 1\.0 with more"):
        close_pairs(rows, rows, 1.0, max_pairs=20)
