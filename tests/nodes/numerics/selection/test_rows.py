import numpy as np
import pytest

from nodes.numerics.selection import (
    highest_rows,
    random_rows,
    rows_above,
    rows_present,
    spread_rows,
    uniform_rows,
)
from nodes.numerics.selection.rows import equal_groups


def test_uniform_rows_gives_exactly_n_distinct_rows_with_both_ends():
    for n_rows in range(2, 40):
        for n_select in range(2, n_rows + 1):
            rows = uniform_rows(n_rows, n_select)
            assert len(set(rows.tolist())) == n_select
            assert (rows[0], rows[-1]) == (0, n_rows - 1)
            exact = np.linspace(0, n_rows - 1, n_select)
            assert np.abs(rows - exact).max() <= 0.5 + 1e-9
    assert uniform_rows(5, 1).tolist() == [0]
    assert uniform_rows(1, 1).tolist() == [0]


def test_random_rows_are_distinct_ascending_and_follow_the_seed_alone():
    np.random.seed(0)  # noqa: NPY002 (the global state must not matter)
    rows = random_rows(100, 30, seed=7)
    np.random.seed(1)  # noqa: NPY002
    assert rows.tolist() == random_rows(100, 30, seed=7).tolist()
    assert rows.tolist() != random_rows(100, 30, seed=8).tolist()
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert random_rows(10, 10, seed=0).tolist() == list(range(10))


def test_rows_present_finds_equal_rows_alone():
    rows = np.random.default_rng(7).normal(size=(20, 5))
    reference = np.vstack([rows[3], rows[8] + 1e-9, rows[11] + 1e-3])
    assert np.flatnonzero(rows_present(rows, reference)).tolist() == [3, 8]
    assert not rows_present(rows, rows[:0]).any()
    assert rows_present(np.zeros((1, 2)), np.zeros((1, 2))).all()
    with pytest.raises(ValueError, match="reference must have 5 columns"):
        rows_present(rows, np.zeros((1, 2)))


@pytest.mark.parametrize("n_select", [0, 4])
def test_a_count_out_of_range_is_refused(n_select):
    message = rf"n_select must be in \[1, 3\] for 3 rows, received {n_select}"
    for pick in (
        lambda: uniform_rows(3, n_select),
        lambda: random_rows(3, n_select, seed=0),
        lambda: spread_rows([1.0, 2.0, 3.0], n_select),
        lambda: highest_rows([1.0, 2.0, 3.0], n_select),
    ):
        with pytest.raises(ValueError, match=message):
            pick()


def test_spread_rows_are_even_in_value_whatever_the_density():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.0, 0.01, 900), rng.uniform(0.0, 10.0, 400)])
    rows = spread_rows(values, 11)
    targets = np.linspace(values.min(), values.max(), 11)
    assert rows.tolist() == sorted(set(rows.tolist()))
    np.testing.assert_allclose(np.sort(values[rows]), targets, atol=0.1)


def test_spread_rows_are_exactly_n_and_keep_both_ends_where_values_are_crowded():
    values = np.array([5.0, 5.0, 5.0, 5.0, 0.0, 5.0])
    for n_select in range(2, 7):
        rows = spread_rows(values, n_select)
        assert len(set(rows.tolist())) == n_select
        assert {0.0, 5.0} <= set(values[rows])
    assert spread_rows([3.0, 1.0, 2.0], 1).tolist() == [1]
    assert spread_rows(np.ones(5), 5).tolist() == list(range(5))
    with pytest.raises(ValueError, match="values must be one finite number"):
        spread_rows([np.nan], 1)


def test_rows_above_a_threshold_keep_their_order_and_are_exactly_n():
    values = [0.1, 0.9, 0.5, 0.7, 0.5]
    assert rows_above(values, 0.5).tolist() == [1, 3]
    assert rows_above(values, 0.4).tolist() == [1, 2, 3, 4]
    assert rows_above(values, 0.4, 3).tolist() == [1, 2, 3]
    assert rows_above(values, 1.0).tolist() == []
    with pytest.raises(ValueError, match=r"in \[1, 2\], the number of values above 0.5, .* 3"):
        rows_above(values, 0.5, 3)
    with pytest.raises(ValueError, match=r"received shape \(2, 1\)"):
        rows_above(np.ones((2, 1)), 0.0)


def test_equal_groups_are_of_exactly_equal_rows():
    rows = np.array([[0.0, 1.0], [1.0, 0.0], [-0.0, 1.0], [1e-300, 1.0]])
    assert equal_groups(rows).tolist() == [0, 1, 0, 2]
