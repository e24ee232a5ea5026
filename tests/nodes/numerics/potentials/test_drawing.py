"""Random initial weights."""

import jax
import numpy as np
import pytest

from nodes.numerics.potentials.drawing import normal, orthogonal, truncated_normal

KEY = jax.random.key(3)


@pytest.mark.parametrize("draw", [normal, truncated_normal])
def test_numbers_are_independent_with_unit_variance(draw):
    values = np.asarray(draw(KEY, (300, 400), np.float32))
    assert abs(values.mean()) < 4 / 120_000**0.5
    assert values.std() == pytest.approx(1.0, abs=0.01)
    assert len(np.unique(values)) > 0.99 * values.size
    tails = np.mean(np.abs(values) > 2.3)
    assert tails == 0 if draw is truncated_normal else tails == pytest.approx(0.0214, abs=0.003)


def test_few_numbers_are_the_first_of_many():
    many = normal(KEY, (20_000,), np.float32)
    np.testing.assert_array_equal(normal(KEY, (2, 3), np.float32).ravel(), many[:6])
    assert not np.array_equal(normal(jax.random.key(4), (6,), np.float32), many[:6])


def test_members_of_a_batch_are_those_alone():
    keys = jax.random.split(KEY, 3)
    batch = jax.vmap(lambda key: normal(key, (4,), np.float32))(keys)
    np.testing.assert_array_equal(batch[1], normal(keys[1], (4,), np.float32))


@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 7, 3), (4, 4)])
def test_rows_or_columns_are_orthonormal(shape):
    matrices = np.asarray(orthogonal(KEY, shape, np.float32))
    assert matrices.shape == shape
    other = np.swapaxes(matrices, -1, -2)
    product = matrices @ other if shape[-2] <= shape[-1] else other @ matrices
    eye = np.broadcast_to(np.eye(min(shape[-2:])), product.shape)
    np.testing.assert_allclose(product, eye, atol=1e-6)
