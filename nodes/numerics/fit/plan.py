"""The order of an epoch, made on the host: which structures form the batch of each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from nodes.numerics.fit.packing import Dataset

__all__ = ["Plan", "chunks", "n_batches", "plan"]


class Plan(NamedTuple):
    """Batches of an epoch, one row per step.

    Attributes
    ----------
    shape : (n_steps,) int
        Which of the data sets the batch comes from.
    rows : (n_steps, batch_size) int
        Structures of that data set.
    share : (n_steps, batch_size)
        1, or 0 for structures that only fill a batch up.
    """

    shape: np.ndarray
    rows: np.ndarray
    share: np.ndarray


def plan(lengths: Sequence[int], batch_size: int, rng: np.random.Generator | None = None) -> Plan:
    """Every structure once.

    With ``rng`` in random order: structures among those of their shape, and batches among all.
    """
    shapes, rows = [np.zeros(0, int)], [np.zeros((0, batch_size), int)]
    share = [np.zeros((0, batch_size))]
    for i, length in enumerate(lengths):
        order = np.arange(length) if rng is None else rng.permutation(length)
        missing = -length % batch_size
        rows.append(np.append(order, np.zeros(missing, int)).reshape(-1, batch_size))
        share.append(np.append(np.ones(length), np.zeros(missing)).reshape(-1, batch_size))
        shapes.append(np.full(len(rows[-1]), i))
    whole = Plan(*(np.concatenate(parts) for parts in (shapes, rows, share)))
    if rng is None:
        return whole
    order = rng.permutation(len(whole.shape))
    return Plan(*(column[order] for column in whole))


def n_batches(lengths: Sequence[int], batch_size: int) -> int:
    """Steps of an epoch."""
    return sum(-(-length // batch_size) for length in lengths)


def chunks(
    datasets: Sequence[Dataset], whole: Plan, n_steps: int
) -> Iterator[tuple[slice, Plan, tuple[Dataset, ...]]]:
    """Cut a plan into parts, each with the structures that it needs, all of equal shapes.

    Yields
    ------
    slice
        Steps of the part; the last one may be shorter.
    Plan
        Its rows are those of the data sets of the part.
    tuple of Dataset
        In NumPy.
    """
    batch_size = whole.rows.shape[1]
    for start in range(0, len(whole.shape), n_steps):
        steps = slice(start, min(start + n_steps, len(whole.shape)))
        part = Plan(*(column[steps] for column in whole))
        rows = part.rows.copy()
        needed = []
        for i, dataset in enumerate(datasets):
            here = part.shape == i
            found, places = np.unique(part.rows[here], return_inverse=True)
            rows[here] = places.reshape(-1, batch_size)
            length = min(len(part.shape) * batch_size, len(dataset))
            pick = np.append(found, np.zeros(length - len(found), int))
            needed.append(_rows(dataset, pick))
        yield steps, part._replace(rows=rows), tuple(needed)


def _rows(dataset: Dataset, pick: np.ndarray) -> Any:
    return jax.tree.map(lambda leaf: leaf[pick], dataset)
