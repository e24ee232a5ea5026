import numpy as np
import pytest

from nodes.numerics.selection import (
    draw_without_replacement,
    highest_rows,
    leverage_scores,
)


def scores_by_projection(matrix, rank):
    """Diagonal of the projector on the leading left singular vectors, over the rank."""
    leading = np.linalg.svd(matrix)[0][:, :rank]
    return np.diag(leading @ leading.T) / rank


def centred_kernel(rows, exponent):
    products = rows @ rows.T
    kernel = np.sign(products) * np.abs(products) ** exponent
    n = len(rows)
    centring = np.eye(n) - np.full((n, n), 1.0 / n)
    return centring @ kernel @ centring


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("centre", [False, True])
def test_scores_are_the_diagonal_of_the_projector(rank, centre):
    rows = np.random.default_rng(0).normal(size=(30, 5)) + 1.0
    matrix = rows - rows.mean(axis=0) if centre else rows
    scores = leverage_scores(rows, rank, centre=centre)
    np.testing.assert_allclose(scores, scores_by_projection(matrix, rank), atol=1e-12)
    assert scores.sum() == pytest.approx(1.0)
    assert scores.min() >= 0


def test_at_full_rank_scores_are_those_of_the_hat_matrix():
    rows = np.random.default_rng(1).normal(size=(20, 4))
    hat = rows @ np.linalg.inv(rows.T @ rows) @ rows.T
    np.testing.assert_allclose(leverage_scores(rows, 4, centre=False), np.diag(hat) / 4, atol=1e-12)


def test_singular_vectors_of_rounding_errors_have_no_say():
    rows = np.random.default_rng(2).normal(size=(20, 3)) @ np.ones((3, 6)) * 1e3
    rows += np.arange(6)
    expected = leverage_scores(rows[:, :1], 1)
    np.testing.assert_allclose(leverage_scores(rows, 6), expected, atol=1e-9)


def test_kernel_scores_are_those_of_the_centred_kernel():
    rows = np.random.default_rng(3).normal(size=(25, 4))
    kernel = centred_kernel(rows, 3)
    scores = leverage_scores(rows, 5, kernel_exponent=3)
    np.testing.assert_allclose(scores, scores_by_projection(kernel, 5), atol=1e-9)


def test_the_odd_one_out_has_the_highest_score():
    rows = np.random.default_rng(4).normal(size=(40, 3)) * 0.1
    rows[17] += 10.0
    assert highest_rows(leverage_scores(rows, 1), 1).tolist() == [17]


def test_unusable_matrices_and_settings_are_refused():
    with pytest.raises(ValueError, match=r"must differ from each other .* all alike"):
        leverage_scores(np.full((4, 3), 0.1), 2)
    with pytest.raises(ValueError, match="all alike"):
        leverage_scores(np.zeros((4, 3)), 2, centre=False)
    with pytest.raises(ValueError, match="rank must be at least 1, received 0"):
        leverage_scores(np.eye(3), 0)
    with pytest.raises(ValueError, match="kernel_exponent must be positive, received -1"):
        leverage_scores(np.eye(3), 1, kernel_exponent=-1)
    with pytest.raises(ValueError, match="features must be finite"):
        leverage_scores([[np.nan], [0.0]], 1)


def test_highest_rows_take_the_lower_row_of_a_tie():
    assert highest_rows([1.0, 3.0, 2.0, 3.0], 3).tolist() == [1, 3, 2]
    with pytest.raises(ValueError, match=r"n_select must be in \[1, 2\]"):
        highest_rows([1.0, 2.0], 3)


def test_draws_are_distinct_and_follow_the_seed_alone():
    logs = np.log(np.random.default_rng(5).random(30))
    rows = draw_without_replacement(logs, 10, seed=1)
    assert len(set(rows.tolist())) == 10
    assert rows.tolist() == draw_without_replacement(logs, 10, seed=1).tolist()
    assert rows.tolist() != draw_without_replacement(logs, 10, seed=2).tolist()


def test_draws_have_the_probabilities_of_drawing_one_after_the_other():
    weights = np.array([0.6, 0.3, 0.1])
    drawn = [draw_without_replacement(np.log(weights), 2, seed=s).tolist() for s in range(4000)]
    for first in range(3):
        for second in set(range(3)) - {first}:
            expected = weights[first] * weights[second] / (1.0 - weights[first])
            share = drawn.count([first, second]) / len(drawn)
            assert share == pytest.approx(expected, abs=5 * (expected / 4000) ** 0.5)


def test_tiny_weights_do_not_underflow_and_zero_weights_are_never_drawn():
    assert sorted(draw_without_replacement([0.0, -5000.0, -6000.0], 3, seed=0)) == [0, 1, 2]
    logs = [0.0, -np.inf, 0.0]
    assert sorted(draw_without_replacement(logs, 2, seed=0)) == [0, 2]
    with pytest.raises(ValueError, match=r"n_select must be in \[1, 2\].* received 3"):
        draw_without_replacement(logs, 3, seed=0)
    with pytest.raises(ValueError, match="weights must be numbers, received NaN in row 1"):
        draw_without_replacement([0.0, np.nan], 1, seed=0)
