import tracemalloc

import numpy as np
import pytest

from nodes.numerics.selection import project
from nodes.numerics.selection.projections import BLOCK_COLUMNS


def test_scalar_products_are_kept_within_the_bound():
    """The deviation from x . y has a standard deviation of at most sqrt(2 / q) |x| |y|."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 20_000)) * rng.uniform(0.1, 3.0, size=20_000)
    rows[:20] += 2.0 * rng.normal(size=20_000)
    short = project(rows, 512, seed=1)
    assert short.shape == (40, 512)
    lengths = np.linalg.norm(rows, axis=1)
    error = (short @ short.T - rows @ rows.T) / np.outer(lengths, lengths)
    bound = np.sqrt(2 / 512)
    assert np.abs(error).max() < 5 * bound
    assert 0.4 * bound < np.sqrt(np.mean(error**2)) < 1.1 * bound


def test_the_mean_over_seeds_is_the_scalar_product():
    rows = np.random.default_rng(1).normal(size=(2, 50))
    products = [np.prod(project(rows, 8, seed=seed), axis=0).sum() for seed in range(2000)]
    spread = np.std(products) / np.sqrt(len(products))
    assert abs(np.mean(products) - rows[0] @ rows[1]) < 4 * spread


def test_the_matrix_follows_the_seed_and_not_the_company_of_a_row():
    rows = np.random.default_rng(2).normal(size=(7, BLOCK_COLUMNS + 10))
    whole = project(rows, 16, seed=3)
    np.testing.assert_allclose(project(rows[4:5], 16, seed=3)[0], whole[4], rtol=1e-9, atol=1e-9)
    assert not np.allclose(project(rows, 16, seed=4), whole)
    np.testing.assert_allclose(project(rows.astype(np.float32), 16, seed=3), whole, atol=0.05)


def test_blocks_have_different_numbers():
    rows = np.zeros((2, 2 * BLOCK_COLUMNS))
    rows[0, 0] = rows[1, BLOCK_COLUMNS] = 1.0
    first, second = project(rows, 64)
    assert abs(first @ second) < 0.9
    assert not np.allclose(first, second)


def test_the_matrix_is_never_held_as_a_whole():
    rows = np.ones((1, 40 * BLOCK_COLUMNS), dtype=np.float32)
    tracemalloc.start()
    project(rows, 32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 4 * BLOCK_COLUMNS * 32


def test_at_least_one_projection_is_needed():
    with pytest.raises(ValueError, match="n_projections must be at least 1, received 0"):
        project(np.ones((1, 2)), 0)
