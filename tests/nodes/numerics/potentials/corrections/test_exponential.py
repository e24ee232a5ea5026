"""Exponential repulsion against its formula and finite differences."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.potentials import (
    Bessel,
    EnergyModel,
    ExponentialRepulsion,
    GaussianMoments,
    ModelConfig,
    Readout,
    Zbl,
)
from nodes.numerics.potentials.representation import Edges
from nodes.numerics.structures import Structure

pytestmark = pytest.mark.slow

ELEMENTS = (1, 8)
REPULSION = ExponentialRepulsion(r_max_angstrom=2.0)


def energy(r, weights=None):
    """Of the directed edge from hydrogen to oxygen."""
    zero = jnp.zeros(1, int)
    edges = Edges(jnp.array([[[0.0, 1.0, 0]]]) * r, zero, zero[None] + 1, zero[None])
    weights = REPULSION.init(ELEMENTS, float) if weights is None else weights
    return jnp.sum(REPULSION.energies(weights, edges, ELEMENTS))


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def test_energy_is_that_of_the_formula():
    r, a, b = 0.9, 0.8 * 0.31, 0.8 * 0.66
    switch = 0.5 * (1.0 + np.cos(np.pi * r / 2.0))
    expected = 100.0**2 * np.exp(-r * (a + b) / (a * b)) / r**2 * switch
    assert float(energy(r)) == pytest.approx(expected, rel=1e-12)


def test_it_ends_smoothly():
    for r in (0.3, 1.0, 1.9):
        numerical = (energy(r + 1e-6) - energy(r - 1e-6)) / 2e-6
        assert float(jax.grad(energy)(r)) == pytest.approx(float(numerical), rel=1e-6)
    assert float(energy(2.0)) == float(jax.grad(energy)(2.0)) == 0.0
    assert float(energy(0.01)) == float(energy(0.02))


def test_each_element_is_trained():
    weights = REPULSION.init(ELEMENTS, float)
    gradient = jax.grad(lambda w: energy(0.9, w))(weights)
    assert all(leaf.shape == (2,) and np.all(leaf > 0.0) for leaf in jax.tree.leaves(gradient))
    turned = jax.tree.map(jnp.negative, weights)
    assert float(energy(0.9, turned)) == float(energy(0.9))


def test_empty_slots_and_padding_have_finite_derivatives():
    vectors = jnp.array([[[10.0, 0, 0], [1.0, 0, 0]], [[0.5, 0, 0], [10.0, 0, 0]]])
    species = jnp.array([[-1, 0], [1, -1]])
    edges = Edges(vectors, jnp.array([0, -1]), species, jnp.zeros((2, 2), int))
    weights = REPULSION.init(ELEMENTS, float)

    def total(weights, vectors):
        return jnp.sum(REPULSION.energies(weights, edges._replace(vectors=vectors), ELEMENTS))

    by_weights, by_vectors = jax.jit(jax.grad(total, argnums=(0, 1)))(weights, vectors)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(by_weights))
    assert float(REPULSION.energies(weights, edges, ELEMENTS)[1]) == 0.0
    assert np.flatnonzero(np.asarray(by_vectors)).tolist() == [3]


def test_r_max_must_be_positive_and_within_the_cutoff():
    with pytest.raises(ValueError, match="r_max_angstrom must be positive, received 0"):
        ExponentialRepulsion(0.0)
    with pytest.raises(ValueError, match=r"must not exceed cutoff_angstrom=1\.0, received Zbl"):
        ModelConfig(elements=(1,), cutoff_angstrom=1.0, corrections=(Zbl(r_max_angstrom=1.5),))


def test_forces_and_stress_of_a_model_with_both_are_slopes():
    config = ModelConfig(
        elements=ELEMENTS,
        cutoff_angstrom=2.5,
        representation=GaussianMoments(n_radial=2, n_contractions=3, basis=Bessel(4)),
        readout=Readout(hidden=(8,)),
        n_members=2,
        corrections=(Zbl(r_max_angstrom=2.2), REPULSION),
    )
    model = EnergyModel(config)
    params = model.init(jax.random.key(0))
    cell = np.array([[2.3, 0.0, 0.0], [0.4, 2.2, 0.0], [-0.3, 0.5, 2.4]])
    positions = np.array([[0.0, 0, 0], [1.0, 0.9, 0.2], [0.3, 0.2, 1.3]])
    structure = Structure([1, 8, 1], positions, cell, True)
    before = model.predict_many(params, [structure])[0]
    h, moved = 1e-5, []
    for sign in (1, -1):
        place = positions.copy()
        place[1, 2] += sign * h
        strain = np.eye(3)
        strain[0, 1] = strain[1, 0] = sign * h / 2
        moved.append(dataclasses.replace(structure, positions=place))
        moved.append(
            dataclasses.replace(structure, positions=positions @ strain, cell=cell @ strain)
        )
    a, b, c, d = (prediction.energy for prediction in model.predict_many(params, moved))
    assert before.forces[1, 2] == pytest.approx(-(a - c) / (2 * h), rel=1e-6)
    assert before.virial[0, 1] == pytest.approx((b - d) / (2 * h), rel=1e-6)
