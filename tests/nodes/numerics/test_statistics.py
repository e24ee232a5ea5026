import numpy as np
import pytest

from nodes.numerics.statistics import error_measures, mae, rmse, summarise_errors


@pytest.mark.parametrize("n_values", [1, 10, 100_000])
def test_a_constant_error_gives_itself_at_any_number_of_values(n_values):
    reference = np.linspace(0.0, 1.0, n_values)
    assert rmse(reference, reference + 5.0) == pytest.approx(5.0)
    assert mae(reference, reference - 5.0) == pytest.approx(5.0)


def test_known_values():
    assert mae([0.0, 0.0], [3.0, -4.0]) == 3.5
    assert rmse([0.0, 0.0], [3.0, -4.0]) == pytest.approx(np.sqrt(12.5))


def test_summary_agrees_with_the_plain_errors_for_frames_of_different_size():
    rng = np.random.default_rng(0)
    frame = np.repeat([4, 2, 9], [3, 50, 8])
    reference, predicted = rng.normal(size=(2, 61, 3))
    summary = summarise_errors(reference, predicted, frame=frame)
    assert summary.mae == pytest.approx(mae(reference, predicted))
    assert summary.rmse == pytest.approx(rmse(reference, predicted))
    assert summary.max_error == np.abs(predicted - reference).max()
    assert (summary.n_values, summary.n_frames) == (183, 3)
    assert summary.mae_low <= summary.mae <= summary.mae_high
    assert summary.rmse_low <= summary.rmse <= summary.rmse_high


def test_interval_equals_a_plain_loop_over_resamples():
    rng = np.random.default_rng(1)
    predicted = rng.normal(size=20)
    summary = summarise_errors(np.zeros(20), predicted, frame=np.arange(20), n_resamples=200)
    draws = np.random.default_rng(0).integers(20, size=(200, 20))
    means = [np.abs(predicted[draw]).mean() for draw in draws]
    assert (summary.mae_low, summary.mae_high) == pytest.approx(
        tuple(np.percentile(means, [2.5, 97.5]))
    )


def test_interval_covers_the_true_error_about_as_often_as_promised():
    rng = np.random.default_rng(2)
    true_rmse, hits = 1.0, 0
    for k in range(200):
        predicted = rng.normal(size=100)
        summary = summarise_errors(
            np.zeros(100), predicted, frame=np.arange(100), n_resamples=300, seed=k
        )
        hits += summary.rmse_low <= true_rmse <= summary.rmse_high
    assert 0.86 * 200 <= hits <= 200


def test_interval_is_wider_when_values_of_a_frame_move_together():
    rng = np.random.default_rng(3)
    shared = np.repeat(rng.normal(size=20), 50)
    by_value = summarise_errors(np.zeros(1000), shared, frame=np.arange(1000))
    by_frame = summarise_errors(np.zeros(1000), shared, frame=np.repeat(np.arange(20), 50))
    width = by_value.rmse_high - by_value.rmse_low
    assert by_frame.rmse_high - by_frame.rmse_low > 3 * width


def test_the_same_seed_gives_the_same_interval():
    predicted = np.random.default_rng(4).normal(size=30)
    frame = np.arange(30)
    first, second, other = (
        summarise_errors(np.zeros(30), predicted, frame=frame, seed=seed) for seed in (5, 5, 6)
    )
    assert first == second
    assert first.mae_low != other.mae_low


def test_unusable_input_is_refused():
    with pytest.raises(ValueError, match=r"the same shape .* received \(2,\) and \(3,\)"):
        mae([0.0, 1.0], [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="at least one value"):
        rmse([], [])
    with pytest.raises(ValueError, match="predicted must be finite"):
        mae([0.0], [np.nan])
    with pytest.raises(ValueError, match=r"frame must have shape \(2,\)"):
        summarise_errors([0.0, 1.0], [0.0, 1.0], frame=[0])
    with pytest.raises(ValueError, match=r"confidence must be in \(0, 1\), received 95"):
        summarise_errors([0.0], [1.0], frame=[0], confidence=95)
    with pytest.raises(ValueError, match="n_resamples must be at least 1, received 0"):
        summarise_errors([0.0], [1.0], frame=[0], n_resamples=0)


def test_measures_are_those_of_the_formulas():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=50)
    predicted = reference + rng.normal(size=50) * 0.1
    found = error_measures(reference, predicted)
    assert found.rmse == pytest.approx(rmse(reference, predicted))
    assert found.mae == pytest.approx(mae(reference, predicted))
    assert found.max_error == np.abs(predicted - reference).max()
    assert found.r2 == pytest.approx(1 - found.rmse**2 / np.var(reference))
    assert found.n_values == 50


def test_a_whole_weight_counts_a_value_so_many_times():
    rng = np.random.default_rng(1)
    reference, predicted = rng.normal(size=(2, 20))
    weights = rng.integers(0, 4, 20)
    found = error_measures(reference, predicted, weights=weights)
    again = error_measures(np.repeat(reference, weights), np.repeat(predicted, weights))
    for name in ("rmse", "mae", "max_error", "r2"):
        assert getattr(found, name) == pytest.approx(getattr(again, name))


def test_equal_reference_values_have_no_coefficient_of_determination():
    assert np.isnan(error_measures([0.1, 0.1, 0.1], [0.1, 0.2, 0.3]).r2)
    assert np.isnan(error_measures([0.0, 0.0], [0.1, 0.2]).r2)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, np.nan]])
def test_unusable_weights_are_refused(weights):
    with pytest.raises(ValueError, match="weights must be 2 numbers"):
        error_measures([0.0, 1.0], [0.0, 1.0], weights=weights)
