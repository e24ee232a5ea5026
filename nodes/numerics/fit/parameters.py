"""Names of the weights of a model, and patterns of names."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import jax

from nodes.numerics.fit.config import Optimizer

__all__ = ["FROZEN", "groups_of", "matches", "parameter_names", "require_matches"]

FROZEN = -1
"""Group of the parameters that stay as they are."""

_SMALLEST_RATE = 1e-7


def parameter_names(weights: Any) -> tuple[str, ...]:
    """Name of each leaf, in their order: its place, such as ``layers.0.w``."""
    leaves = jax.tree_util.tree_leaves_with_path(weights)
    return tuple(jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in leaves)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern is the name or its beginning up to a dot; ``*`` is any text."""
    return any(fnmatchcase(name, end) for p in patterns for end in (p, f"{p}.*"))


def require_matches(option: str, patterns: Sequence[str], names: Sequence[str]) -> None:
    """Raise ValueError if a pattern fits no name."""
    lost = [p for p in patterns if not any(matches(name, (p,)) for name in names)]
    if lost:
        raise ValueError(f"{option} must name parameters among {list(names)}, received {lost}")


def groups_of(optimizer: Optimizer, weights: Any) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Groups of equal learning rate.

    Returns
    -------
    tuple of int
        Group of each leaf, or `FROZEN`.
    tuple of float
        Peak learning rate of each group.

    Raises
    ------
    ValueError
        If a pattern of ``freeze`` fits no parameter, or nothing is left to learn.
    """
    names = parameter_names(weights)
    require_matches("freeze", optimizer.freeze, names)
    rates = dict(optimizer.rates)
    peaks: list[float] = []
    for name in names:
        fitting = sorted((p for p in rates if matches(name, (p,))), key=len)
        rate = rates[fitting[-1]] if fitting else optimizer.learning_rate
        peaks.append(0.0 if matches(name, optimizer.freeze) else rate)
    distinct = tuple(sorted({peak for peak in peaks if peak > _SMALLEST_RATE}))
    if not distinct:
        raise ValueError(
            f"the optimizer must change at least one parameter, received learning rates of at "
            f"most {_SMALLEST_RATE} or freeze={optimizer.freeze} for all of {list(names)}"
        )
    groups = tuple(distinct.index(p) if p > _SMALLEST_RATE else FROZEN for p in peaks)
    return groups, distinct
