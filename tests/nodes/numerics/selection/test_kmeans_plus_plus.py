import numpy as np
import pytest

from nodes.numerics.selection import kmeans_plus_plus


def test_probabilities_are_squared_distances_to_the_nearest_taken():
    """The first draw: chi-square of 4000 seeds against the exact probabilities."""
    candidates = np.array([[1.0], [2.0], [-3.0], [4.0]])
    reference = np.array([[0.0], [5.0]])
    weights = np.array([1.0, 4.0, 9.0, 1.0])
    draws = [kmeans_plus_plus(candidates, 1, reference=reference, seed=s)[0] for s in range(4000)]
    expected = 4000 * weights / weights.sum()
    chi_square = np.sum((np.bincount(draws, minlength=4) - expected) ** 2 / expected)
    assert chi_square < 16.3  # 99.9 % of 3 degrees of freedom


def test_the_second_draw_knows_the_first():
    candidates = np.array([[0.0], [0.1], [10.0]])
    seconds = [kmeans_plus_plus(candidates, 2, seed=seed) for seed in range(300)]
    apart = sum({0, 1} != set(rows.tolist()) for rows in seconds)
    assert apart >= 297
    firsts = np.bincount([rows[0] for rows in seconds], minlength=3)
    assert firsts.min() > 60


def test_rows_are_distinct_and_follow_the_seed_alone():
    candidates = np.random.default_rng(0).normal(size=(50, 3))
    rows = kmeans_plus_plus(candidates, 50, seed=5)
    assert sorted(rows.tolist()) == list(range(50))
    assert rows.tolist() == kmeans_plus_plus(candidates, 50, seed=5).tolist()
    assert rows.tolist() != kmeans_plus_plus(candidates, 50, seed=6).tolist()


def test_a_duplicate_is_never_drawn():
    distinct = np.random.default_rng(1).normal(size=(5, 2)) * 1e4
    candidates = np.repeat(distinct, 3, axis=0)
    for seed in range(20):
        rows = kmeans_plus_plus(candidates, 3, reference=distinct[:2], seed=seed)
        assert sorted(rows // 3) == [2, 3, 4]
    with pytest.raises(ValueError, match=r"n_select must be at most 3, .* received 4"):
        kmeans_plus_plus(candidates, 4, reference=distinct[:2])
