r"""How well predicted standard deviations tell the size of errors, and the factor that mends them.

Errors are taken for normal with the predicted standard deviation: errors over standard deviations
would then be standard normal numbers.
"""

from typing import Literal, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import norm

__all__ = [
    "ScoreName", "SpreadTable", "crps", "miscalibration_area", "nll", "reliability_curve",
    "spread_factor", "spread_table",
]  # fmt: skip

ScoreName = Literal["nll", "crps"]

_SMALLEST_STD = 1e-6
_ROOT = 1.0 / np.sqrt(np.pi)


def spread_factor(errors: ArrayLike, stds: ArrayLike, *, score: ScoreName = "nll") -> float:
    r"""The factor on all standard deviations that makes a score the best.

    With errors e and standard deviations s, the mean negative log-likelihood is lowest at
    :math:`\sqrt{\langle e^2 / s^2 \rangle}`, which then is 1. The mean continuous ranked
    probability score is lowest where its derivative
    :math:`\langle s (2 \varphi(e / f s) - \pi^{-1/2}) \rangle` is zero, with the standard normal
    density :math:`\varphi`; outliers count less.

    Parameters
    ----------
    errors, stds : shape (n,), one unit; standard deviations below 1e-6 count as 1e-6
    score : 'nll' or 'crps'

    Raises
    ------
    ValueError
        If shapes disagree, a value is unusable, the score is unknown, or so many errors are zero
        that no factor is the best.
    """
    error, std = _checked(errors, stds)
    if score == "nll":
        factor = float(np.sqrt(np.mean((error / std) ** 2)))
        if not factor > 0.0:
            raise ValueError("errors must not all be zero")
        return factor
    if score != "crps":
        raise ValueError(f"score must be 'nll' or 'crps', received {score!r}")

    def slope(log_factor: float) -> float:
        return float(np.mean(std * (2.0 * norm.pdf(error / std * np.exp(-log_factor)) - _ROOT)))

    low, high = -60.0, 60.0
    if not slope(low) < 0.0 < slope(high):
        raise ValueError(
            f"errors must be other than zero for most values, received "
            f"{np.mean(error == 0.0):.0%} zeros; take score='nll'"
        )
    return float(np.exp(cast("float", brentq(slope, low, high, xtol=1e-12))))


def nll(errors: ArrayLike, stds: ArrayLike) -> float:
    """Mean negative log-likelihood of normal errors, without its constant ln(2 pi) / 2."""
    error, std = _checked(errors, stds)
    return float(np.mean(np.log(std) + 0.5 * (error / std) ** 2))


def crps(errors: ArrayLike, stds: ArrayLike) -> float:
    """Mean continuous ranked probability score of normal errors, in their unit.

    Gneiting et al., *Mon. Weather Rev.* **133**, 1098 (2005), eq. 5.
    """
    error, std = _checked(errors, stds)
    z = error / std
    parts = z * (2.0 * norm.cdf(z) - 1.0) + 2.0 * norm.pdf(z) - 1.0 / np.sqrt(np.pi)
    return float(np.mean(std * parts))


def reliability_curve(
    errors: ArrayLike, stds: ArrayLike, n_levels: int = 20
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of errors inside the central interval of each probability.

    V. Kuleshov, N. Fenner and S. Ermon, *Proc. ICML*, 2796 (2018).

    Parameters
    ----------
    errors, stds : shape (n,), one unit
    n_levels : probabilities, evenly spaced from 0 to 1 with both ends, number of steps

    Returns
    -------
    probabilities, shape (n_levels + 1,)
    shares observed, the same shape; equal to the probabilities if the spread is right, below them
        if it is too small
    """
    error, std = _checked(errors, stds)
    if n_levels < 1:
        raise ValueError(f"n_levels must be at least 1, received {n_levels}")
    expected = np.linspace(0.0, 1.0, n_levels + 1)
    covered = 2.0 * norm.cdf(np.abs(error / std)) - 1.0
    observed = np.searchsorted(np.sort(covered), expected, side="right") / len(error)
    observed[0], observed[-1] = 0.0, 1.0
    return expected, observed


def miscalibration_area(errors: ArrayLike, stds: ArrayLike, n_levels: int = 100) -> float:
    """Area between the reliability curve and the diagonal: 0 is perfect, 0.5 the worst."""
    expected, observed = reliability_curve(errors, stds, n_levels)
    return float(np.trapezoid(np.abs(observed - expected), expected))


class SpreadTable(NamedTuple):
    """Errors by predicted standard deviation, shape (n_bins,) each.

    Attributes
    ----------
    std : root mean square of the standard deviations in the bin
    rmse : root mean square of the errors in the bin, which should be the same
    n_values : how many values
    """

    std: NDArray[np.float64]
    rmse: NDArray[np.float64]
    n_values: NDArray[np.int64]


def spread_table(errors: ArrayLike, stds: ArrayLike, n_bins: int = 10) -> SpreadTable:
    """Sort values by standard deviation into bins of equal number and compare with the errors.

    P. Pernot, *J. Chem. Phys.* **156**, 114109 (2022). There are never more bins than values.
    """
    error, std = _checked(errors, stds)
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, received {n_bins}")
    order = np.argsort(std, kind="stable")
    parts = np.array_split(order, min(n_bins, len(order)))
    return SpreadTable(
        np.array([np.sqrt(np.mean(std[part] ** 2)) for part in parts]),
        np.array([np.sqrt(np.mean(error[part] ** 2)) for part in parts]),
        np.array([len(part) for part in parts]),
    )


def _checked(errors: ArrayLike, stds: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    error, std = np.asarray(errors, np.float64), np.asarray(stds, np.float64)
    if error.ndim != 1 or error.shape != std.shape or not len(error):
        raise ValueError(
            f"errors and stds must be of one length, at least 1, received shapes {error.shape} "
            f"and {std.shape}"
        )
    if not (np.isfinite(error).all() and np.isfinite(std).all() and (std >= 0.0).all()):
        raise ValueError("errors and stds must be finite and stds not negative")
    return error, np.maximum(std, _SMALLEST_STD)
