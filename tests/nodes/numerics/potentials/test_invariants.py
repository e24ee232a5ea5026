"""Contractions against explicit sums over full tensors, derivatives against finite ones."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.potentials.invariants import (
    MONOMIALS,
    invariants,
    invariants_tangent,
    labels,
    n_invariants,
)

N_RADIAL = 3
VALUES = jax.jit(invariants, static_argnums=1)
TANGENT = jax.jit(invariants_tangent, static_argnums=2)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def edges():
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(5, 3))
    return rng.normal(size=(N_RADIAL, 5)), unit / np.linalg.norm(unit, axis=1)[:, None]


@pytest.fixture(scope="module")
def moments(edges):
    weight, unit = edges
    monomials = np.array([np.prod(unit[:, list(axes)], axis=1) for axes in MONOMIALS])
    return (weight @ monomials.T)[None]


def random_like(shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


def test_contractions_equal_those_of_full_tensors(edges, moments):
    weight, unit = edges
    m0 = weight.sum(axis=1)
    m1 = np.einsum("sk,ki->si", weight, unit)
    m2 = np.einsum("sk,ki,kj->sij", weight, unit, unit)
    m3 = np.einsum("sk,ki,kj,kl->sijl", weight, unit, unit, unit)
    families = [
        m0,
        np.einsum("ri,si->rs", m1, m1),
        np.einsum("rij,sij->rs", m2, m2),
        np.einsum("rijk,sijk->rs", m3, m3),
        np.einsum("rij,sik,tjk->rst", m2, m2, m2),
        np.einsum("ri,sj,tij->rst", m1, m1, m2),
        np.einsum("rijk,sijl,tkl->rst", m3, m3, m2),
        np.einsum("rijk,sij,tk->rst", m3, m2, m1),
    ]
    for count in (1, 4, 8):
        received = np.asarray(VALUES(jnp.asarray(moments), count))[0]
        expected = [families[family][tuple(indices)] for family, *indices in labels(3, count)]
        np.testing.assert_allclose(received, np.array(expected), atol=1e-12)


def test_each_distinct_product_occurs_once():
    assert n_invariants(5, 8) == 360
    found = labels(5)
    assert len(set(found)) == 360
    symmetric = {(f, *sorted(i)) for f, *i in found if f == 4}
    assert symmetric == {(4, *i) for i in itertools.combinations_with_replacement(range(5), 3)}


def test_pull_back_is_the_derivative(moments):
    moments = jnp.asarray(np.concatenate([moments, random_like(moments.shape, 3)]))
    cotangent = random_like((2, n_invariants(N_RADIAL, 8)), 1)
    received = jax.jit(jax.grad(lambda m: jnp.sum(cotangent * invariants(m, 8))))(moments)
    direction, h = random_like(moments.shape, 2), 1e-6
    change = (VALUES(moments + h * direction, 8) - VALUES(moments - h * direction, 8)) / (2 * h)
    expected = float(np.sum(change * cotangent))
    assert float(np.sum(received * direction)) == pytest.approx(expected, rel=1e-8)


def test_tangent_and_its_derivative(moments):
    moments, direction = jnp.asarray(moments), jnp.asarray(random_like(moments.shape, 2))
    a, b = (random_like((1, n_invariants(N_RADIAL, 8)), seed) for seed in (4, 5))

    def total(moments, direction):
        values, change = invariants_tangent(moments, direction, 8)
        return jnp.sum(a * values) + jnp.sum(b * change)

    h = 1e-6
    values, change = TANGENT(moments, direction, 8)
    np.testing.assert_allclose(values, VALUES(moments, 8), atol=1e-12)
    forward = VALUES(moments + h * direction, 8) - VALUES(moments - h * direction, 8)
    np.testing.assert_allclose(change, forward / (2 * h), atol=1e-6)
    gradients = jax.jit(jax.grad(total, (0, 1)))(moments, direction)
    total = jax.jit(total)
    for place, gradient in enumerate(gradients):
        along = random_like(moments.shape, 6)
        arguments = [[moments, direction], [moments, direction]]
        arguments[0][place] = arguments[0][place] + h * along
        arguments[1][place] = arguments[1][place] - h * along
        expected = (total(*arguments[0]) - total(*arguments[1])) / (2 * h)
        assert np.sum(gradient * along) == pytest.approx(float(expected), rel=1e-7)
