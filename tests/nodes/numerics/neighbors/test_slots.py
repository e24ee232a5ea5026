"""Marks and their ranks against NumPy."""

import jax
import numpy as np

from nodes.numerics.neighbors.slots import mark


def test_columns_and_ranks_of_marks_are_those_of_numpy():
    rng = np.random.default_rng(0)
    # Rows without a mark, with all of them, and with marks at both ends of words.
    marks = rng.random((40, 101)) < np.linspace(0, 1, 40)[:, None]
    marks[3] = False
    marks[3, [0, 31, 32, 63, 64, 95, 96, 100]] = True
    rows = np.array([39, 0, 3, 3, *range(5, 40)])
    every = np.arange(101)[None].repeat(len(rows), axis=0)

    @jax.jit
    def look_up(marks, rows, every):
        marked = mark(marks)
        found = marked.columns(rows, 101), marked.ranks(rows[:, None], every)
        return marked.counts(), *found

    counts, columns, ranks = map(np.asarray, look_up(marks, rows, every))
    np.testing.assert_array_equal(counts, marks.sum(axis=1))
    for row, found in zip(rows, columns, strict=True):
        expected = np.flatnonzero(marks[row])
        np.testing.assert_array_equal(found[: len(expected)], expected)
    before = np.cumsum(marks[rows], axis=1) - marks[rows]
    np.testing.assert_array_equal(ranks, before)
