"""Which columns of a table are marked, without sorting and without scattering.

A row of marks is kept as 32-bit words. The k-th mark of a row is found by comparing k with the
number of marks before each word, by halving the word, and by looking up the byte; the rank of a
given column is one such number plus one population count. Both run over whole arrays at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["WORD", "MarkedColumns", "mark"]

WORD = 32
"""Columns per word."""


@partial(jax.tree_util.register_dataclass, data_fields=["words", "before"], meta_fields=[])
@dataclass(frozen=True)
class MarkedColumns:
    """Marks of a table with rows of any number of columns.

    Attributes
    ----------
    words : (n_rows, n_words) uint32
        Bit b of word w marks column 32 w + b.
    before : (n_rows, n_words) int32
        Marks in the words before this one.
    """

    words: jax.Array
    before: jax.Array

    def counts(self) -> jax.Array:
        """Marks of each row, (n_rows,)."""
        return self.before[:, -1] + _count(self.words[:, -1])

    def columns(self, rows: jax.Array, n_slots: int) -> jax.Array:
        """Columns of the first ``n_slots`` marks of the given rows, (len(rows), n_slots).

        What stands in the slots beyond the last mark of a row has no meaning.
        """
        slots = jnp.arange(n_slots, dtype=jnp.int32)
        before = self.before[rows]
        reached = before[:, None, 1:] <= slots[:, None]
        word = jnp.sum(reached, axis=-1, dtype=jnp.int32)
        place = rows[:, None] * self.words.shape[1] + word
        bits, rank = self.words.reshape(-1)[place], slots - self.before.reshape(-1)[place]
        return WORD * word + _nth_bit(bits, rank)

    def ranks(self, rows: jax.Array, columns: jax.Array) -> jax.Array:
        """How many marks of ``rows`` stand before ``columns`` (of the same shape)."""
        place = rows * self.words.shape[1] + columns // WORD
        bits = self.words.reshape(-1)[place]
        lower = (jnp.uint32(1) << (columns % WORD).astype(jnp.uint32)) - jnp.uint32(1)
        return self.before.reshape(-1)[place] + _count(bits & lower)


def mark(marks: jax.Array) -> MarkedColumns:
    """Pack marks (n_rows, n_columns) bool."""
    n_rows, n_columns = marks.shape
    marks = jnp.pad(marks, ((0, 0), (0, -n_columns % WORD))).reshape(n_rows, -1, WORD)
    weights = jnp.uint32(1) << jnp.arange(WORD, dtype=jnp.uint32)
    words = jnp.sum(jnp.where(marks, weights, jnp.uint32(0)), axis=-1, dtype=jnp.uint32)
    counts = _count(words)
    return MarkedColumns(words, jnp.cumsum(counts, axis=1, dtype=jnp.int32) - counts)


def _count(words: jax.Array) -> jax.Array:
    return jax.lax.population_count(words).astype(jnp.int32)


def _nth_bit(words: jax.Array, n: jax.Array) -> jax.Array:
    """Place of the bit that has n set bits below it."""
    place = jnp.zeros_like(n)
    for width in (16, 8):
        lower = _count(words & jnp.uint32((1 << width) - 1))
        above = n >= lower
        n = jnp.where(above, n - lower, n)
        words = jnp.where(above, words >> jnp.uint32(width), words)
        place = place + jnp.where(above, width, 0)
    last = (words & jnp.uint32(255)).astype(jnp.int32)
    return place + jnp.asarray(_bits_of_bytes())[last * 8 + (n & 7)]


def _bits_of_bytes() -> np.ndarray:
    """Place of the n-th set bit of each byte at 8 byte + n, (2048,) int32."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    return np.argsort(bits == 0, axis=1, kind="stable").astype(np.int32).reshape(-1)
