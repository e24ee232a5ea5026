"""Errors of predictions, with confidence intervals by resampling whole frames.

Values of one frame (the force components, say) are correlated, so the interval is found by
resampling frames, not values: B. Efron and R. Tibshirani, *Stat. Sci.* **1**, 54 (1986).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ErrorMeasures", "ErrorSummary", "error_measures", "mae", "rmse", "summarise_errors"]

_VALUES_PER_BLOCK = 2_000_000


def mae(reference: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute error, in the unit of the inputs: (1/N) sum |p - r| over all N values.

    Raises
    ------
    ValueError
        If the shapes differ or there is no value.
    """
    return float(np.mean(np.abs(_errors(reference, predicted))))


def rmse(reference: ArrayLike, predicted: ArrayLike) -> float:
    """Root mean square error, in the unit of the inputs: sqrt((1/N) sum (p - r)^2).

    Raises
    ------
    ValueError
        If the shapes differ or there is no value.
    """
    return float(np.sqrt(np.mean(_errors(reference, predicted) ** 2)))


@dataclass(frozen=True)
class ErrorMeasures:
    """Errors of one property, in the unit of the values given to `error_measures`.

    Attributes
    ----------
    rmse, mae, max_error : root mean square, mean absolute and largest absolute error
    r2 : coefficient of determination, without unit; NaN if all reference values are equal
    n_values : how many values were compared
    """

    rmse: float
    mae: float
    max_error: float
    r2: float
    n_values: int


def error_measures(
    reference: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None
) -> ErrorMeasures:
    r"""Compare two sets of values, each value with its weight.

    With weights w and errors e the measures are :math:`\sqrt{\sum w e^2 / \sum w}`,
    :math:`\sum w |e| / \sum w`, the largest :math:`|e|` of a value with a weight above zero, and
    :math:`1 - \sum w e^2 / \sum w (r - \bar r)^2` with the weighted mean :math:`\bar r`.

    Parameters
    ----------
    reference, predicted : shape (n_values,), the same unit
    weights : shape (n_values,), not negative; None weighs all alike

    Raises
    ------
    ValueError
        If shapes disagree, values are not finite, or a weight is negative or all are zero.
    """
    errors = _errors(reference, predicted)
    values = np.asarray(reference, dtype=np.float64)
    share = np.ones(len(errors)) if weights is None else np.asarray(weights, dtype=np.float64)
    if share.shape != errors.shape or not np.all(share >= 0) or not 0 < share.sum() < np.inf:
        raise ValueError(
            f"weights must be {len(errors)} numbers, none of them negative and not all zero, "
            f"received {share}"
        )
    share = share / share.sum()
    square = float(share @ errors**2)
    deviation = values - share @ values
    spread = float(share @ deviation**2)
    constant = np.abs(deviation[share > 0]).max() <= 1e-12 * np.abs(values).max()
    return ErrorMeasures(
        rmse=square**0.5,
        mae=float(share @ np.abs(errors)),
        max_error=float(np.abs(errors[share > 0]).max()),
        r2=float("nan") if constant else 1.0 - square / spread,
        n_values=len(errors),
    )


@dataclass(frozen=True)
class ErrorSummary:
    """Errors of one property, all in the unit of the values given to `summarise_errors`.

    Attributes
    ----------
    mae, rmse, max_error : mean absolute, root mean square and largest absolute error
    mae_low, mae_high, rmse_low, rmse_high : bounds of the confidence interval
    n_values, n_frames : how many values of how many frames were compared
    """

    mae: float
    mae_low: float
    mae_high: float
    rmse: float
    rmse_low: float
    rmse_high: float
    max_error: float
    n_values: int
    n_frames: int


def summarise_errors(
    reference: ArrayLike,
    predicted: ArrayLike,
    *,
    frame: ArrayLike,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> ErrorSummary:
    """Compare two sets of values and give percentile bootstrap intervals over frames.

    Parameters
    ----------
    reference, predicted : shape (n_values, ...), the same unit
    frame : shape (n_values,), integer label of the frame that each row belongs to
    n_resamples : number of bootstrap resamples
    confidence : probability inside the interval, in (0, 1)
    seed : seed of the resampling

    Raises
    ------
    ValueError
        If shapes disagree, values are not finite, or an option is out of range.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be in (0, 1), received {confidence}")
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, received {n_resamples}")
    errors = _errors(reference, predicted)
    labels = np.asarray(frame)
    if labels.shape != errors.shape[:1]:
        raise ValueError(
            f"frame must have shape {errors.shape[:1]}, one label per row, "
            f"received shape {labels.shape}"
        )
    errors = errors.reshape(len(errors), -1)
    _, index = np.unique(labels, return_inverse=True)
    sums = np.empty((int(index.max()) + 1, 3))
    sums[:, 0] = np.bincount(index, np.abs(errors).sum(axis=1))
    sums[:, 1] = np.bincount(index, (errors**2).sum(axis=1))
    sums[:, 2] = np.bincount(index) * errors.shape[1]
    drawn = _resampled_sums(sums, n_resamples, np.random.default_rng(seed))
    tail = 50.0 * (1.0 - confidence)
    mae_low, mae_high = np.percentile(drawn[:, 0] / drawn[:, 2], [tail, 100.0 - tail])
    square_low, square_high = np.percentile(drawn[:, 1] / drawn[:, 2], [tail, 100.0 - tail])
    return ErrorSummary(
        mae=float(np.mean(np.abs(errors))),
        mae_low=float(mae_low),
        mae_high=float(mae_high),
        rmse=float(np.sqrt(np.mean(errors**2))),
        rmse_low=float(np.sqrt(square_low)),
        rmse_high=float(np.sqrt(square_high)),
        max_error=float(np.max(np.abs(errors))),
        n_values=int(errors.size),
        n_frames=len(sums),
    )


def _resampled_sums(
    sums: NDArray[np.float64], n_resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Add up `sums` (n_frames, k) over frames drawn with replacement: (n_resamples, k)."""
    n_frames = len(sums)
    block = max(1, _VALUES_PER_BLOCK // n_frames)
    drawn = np.empty((n_resamples, sums.shape[1]))
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        picks = rng.integers(n_frames, size=(size, n_frames))
        drawn[start : start + size] = sums[picks].sum(axis=1)
    return drawn


def _errors(reference: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    """Return predicted - reference after checking both."""
    expected = np.asarray(reference, dtype=np.float64)
    found = np.asarray(predicted, dtype=np.float64)
    if expected.shape != found.shape or expected.size == 0:
        raise ValueError(
            "reference and predicted must have the same shape with at least one value, "
            f"received {expected.shape} and {found.shape}"
        )
    for name, values in (("reference", expected), ("predicted", found)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite, received NaN or inf")
    return found - expected
