import numpy as np
import pytest

from nodes.numerics.histogram import flat_histogram


def normal_values(n=2000):
    return np.random.default_rng(0).normal(size=n)


def counts_of(values, rows, n_bins):
    edges = np.histogram_bin_edges(values, bins=n_bins)
    return np.histogram(values[rows], bins=edges)[0], np.histogram(values, bins=edges)[0]


@pytest.mark.parametrize("by_bin", [True, False])
@pytest.mark.parametrize("replace", [True, False])
def test_exactly_n_ascending_rows_that_follow_the_seed_alone(by_bin, replace):
    values = normal_values()
    options = {"n_bins": 12, "by_bin": by_bin, "replace": replace, "kt": 0.8}
    rows = flat_histogram(values, 100, seed=1, **options)
    assert len(rows) == 100
    assert rows.tolist() == sorted(rows.tolist())
    assert replace or len(set(rows.tolist())) == 100
    assert rows.tolist() == flat_histogram(values, 100, seed=1, **options).tolist()
    assert rows.tolist() != flat_histogram(values, 100, seed=2, **options).tolist()


def test_shares_are_equal_but_for_bins_that_are_used_up():
    values = normal_values()
    picked, there = counts_of(values, flat_histogram(values, 100, n_bins=10), 10)
    used_up = picked == there
    assert used_up.any()
    assert np.ptp(picked[~used_up]) <= 1
    assert picked[used_up].max() <= picked[~used_up].max()
    assert picked.sum() == 100


def test_shares_fall_off_like_the_boltzmann_factor():
    values = np.repeat([0.0, 1.0, 2.0, 3.0], 1000)
    rows = flat_histogram(values, 1000, n_bins=4, kt=1.5)
    picked = np.bincount(values[rows].astype(int))
    # Bins of equal width between 0 and 3: their centres lie 0.75 apart.
    expected = np.exp(-0.75 * np.arange(4) / 1.5)
    np.testing.assert_allclose(picked, 1000 * expected / expected.sum(), atol=1.0)


@pytest.mark.parametrize("replace", [True, False])
def test_drawing_is_flat_on_average(replace):
    values = np.concatenate([np.zeros(5000), np.ones(500)])
    rows = flat_histogram(values, 200, n_bins=2, by_bin=False, replace=replace)
    assert values[rows].mean() == pytest.approx(0.5, abs=0.15)


def test_a_low_temperature_takes_the_lowest_values_and_still_exactly_n():
    values = normal_values(300)
    rows = flat_histogram(values, 20, by_bin=False, kt=1e-4)
    assert set(rows.tolist()) == set(np.argsort(values)[:20].tolist())
    assert len(flat_histogram(values, 300, kt=1e-4)) == 300


def test_a_single_value_is_one_bin():
    assert len(flat_histogram([2.0] * 5, 3)) == 3


def test_replacement_gives_more_rows_than_there_are():
    rows = flat_histogram([0.0, 1.0], 10, n_bins=2, replace=True)
    assert np.bincount(rows).tolist() == [5, 5]


def test_unusable_input_is_refused():
    with pytest.raises(ValueError, match=r"n_select must be in \[1, 3\].* received 4"):
        flat_histogram([0.0, 1.0, 2.0], 4)
    with pytest.raises(ValueError, match="received 0"):
        flat_histogram([0.0], 0)
    with pytest.raises(ValueError, match=r"values must be one finite number .* NaN"):
        flat_histogram([0.0, np.nan], 1)
    with pytest.raises(ValueError, match=r"received shape \(1, 1\)"):
        flat_histogram([[0.0]], 1)
    with pytest.raises(ValueError, match="kt must be positive, received 0"):
        flat_histogram([0.0, 1.0], 1, kt=0)
    with pytest.raises(ValueError, match="n_bins must be at least 1, received 0"):
        flat_histogram([0.0, 1.0], 1, n_bins=0)
