"""Which shapes to pad structures to: few, as each is compiled, yet with little padding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from nodes.numerics.neighbors.host import neighbor_edges
from nodes.numerics.structures import Structure

__all__ = ["Shape", "choose_shapes", "sizes_of"]

_SLOTS = 8
_MOST_CANDIDATES = 32
_WORTHWHILE = 0.9
"""One more shape must bring the cost down to this share."""


class Shape(NamedTuple):
    """Atoms and slots for neighbours of each atom."""

    n_atoms: int
    capacity: int


def sizes_of(structures: Sequence[Structure], cutoff_angstrom: float) -> np.ndarray:
    """Atoms and largest number of neighbours of each structure, shape (m, 2)."""
    sizes = np.zeros((len(structures), 2), int)
    for row, s in zip(sizes, structures, strict=True):
        edges = neighbor_edges(s.positions, s.cell, s.pbc, cutoff_angstrom)
        row[:] = len(s), np.bincount(edges.receivers, minlength=1).max()
    return sizes


def choose_shapes(
    sizes: np.ndarray, batch_size: int, max_shapes: int
) -> list[tuple[Shape, np.ndarray]]:
    """Divide structures into groups of one shape each, such that computing costs little.

    The cost of a structure is atoms times slots of its shape; batches are filled up. Structures
    are sorted by their own cost and cut into runs, at the best places for each number of runs;
    a further run must save a tenth.

    Parameters
    ----------
    sizes : (m, 2)
        From `sizes_of`.

    Returns
    -------
    list of (Shape, rows)
        From small to large; the rows are ascending.
    """
    sizes = np.stack([sizes[:, 0], np.maximum(-(-sizes[:, 1] // _SLOTS), 1) * _SLOTS], axis=1)
    order = np.argsort(sizes[:, 0] * sizes[:, 1], kind="stable")
    ordered = sizes[order]
    changes = np.flatnonzero(np.any(np.diff(ordered, axis=0) != 0, axis=1)) + 1
    if len(changes) >= _MOST_CANDIDATES:
        pick = np.linspace(0, len(changes) - 1, _MOST_CANDIDATES).round().astype(int)
        changes = changes[pick]
    cuts = np.concatenate([[0], changes, [len(order)]])
    runs = _best_runs(_costs(ordered, cuts, batch_size), max_shapes)
    groups = []
    for a, b in pairwise(runs):
        part = ordered[cuts[a] : cuts[b]]
        shape = Shape(int(part[:, 0].max()), int(part[:, 1].max()))
        groups.append((shape, np.sort(order[cuts[a] : cuts[b]])))
    return groups


def _costs(ordered: np.ndarray, cuts: np.ndarray, batch_size: int) -> np.ndarray:
    """Cost of the run between any two cuts, infinite where there is none."""
    costs = np.full((len(cuts), len(cuts)), np.inf)
    for a in range(len(cuts)):
        for b in range(a + 1, len(cuts)):
            n_atoms, capacity = ordered[cuts[a] : cuts[b]].max(axis=0)
            filled = -(-(cuts[b] - cuts[a]) // batch_size) * batch_size
            costs[a, b] = filled * n_atoms * capacity
    return costs


def _best_runs(costs: np.ndarray, max_runs: int) -> list[int]:
    """Cuts, first and last included, of the fewest runs that are nearly as cheap as more."""
    last = len(costs) - 1
    cheapest, previous = costs[0].copy(), []
    best, runs = cheapest[last], [0, last]
    for n_runs in range(2, max_runs + 1):
        total = cheapest[:, None] + costs
        previous.append(np.argmin(total, axis=0))
        cheapest = np.min(total, axis=0)
        if cheapest[last] < _WORTHWHILE ** (n_runs - len(runs) + 1) * best:
            best, runs = cheapest[last], [last]
            for row in reversed(previous):
                runs.insert(0, int(row[runs[0]]))
            runs.insert(0, 0)
    return runs
