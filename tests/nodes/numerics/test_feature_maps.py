"""Feature maps against finite differences by the weights, and against each other."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from nodes.numerics.feature_maps import (
    force_features,
    last_layer_features,
    projected_gradients,
)
from nodes.numerics.potentials import (
    EnergyModel,
    ModelConfig,
    Precision,
    Readout,
    Zbl,
    build_graphs,
)
from nodes.numerics.potentials.representation import Description
from nodes.numerics.selection import project
from nodes.numerics.structures import Structure


@dataclasses.dataclass(frozen=True)
class Distances:
    """Smooth sums over neighbours, with learned widths: a model that is compiled in no time."""

    name: ClassVar[str] = "distances"
    n_features: ClassVar[int] = 4

    def init(self, key, *, n_elements, cutoff, dtype):
        return {"widths": jnp.arange(1.0, 1.0 + self.n_features, dtype=dtype) / cutoff}

    def describe(self, weights, edges, *, cutoff, equivariant=False):
        r = jnp.linalg.norm(edges.vectors, axis=-1)
        near = jnp.where((edges.sender >= 0) & (r < cutoff), (1.0 - r / cutoff) ** 3, 0.0)
        near = near * (1.0 + 0.5 * edges.sender)
        return Description(jnp.sum(near[..., None] * jnp.cos(r[..., None] * weights["widths"]), 1))


SHALLOW = ModelConfig(
    elements=(1, 8),
    cutoff_angstrom=4.0,
    representation=Distances(),
    readout=Readout(hidden=(3,)),
    n_members=2,
    corrections=(Zbl(),),
    precision=Precision.double(),
)
FULL = dataclasses.replace(SHALLOW, ensemble="full")


def water(n_molecules, seed):
    """Water-like molecules in a row, a little shaken."""
    rng = np.random.default_rng(seed)
    one = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
    places = np.concatenate([one + np.array([0.0, 0.0, 2.8 * k]) for k in range(n_molecules)])
    places += 0.05 * rng.normal(size=places.shape)
    return Structure([8, 1, 1] * n_molecules, places, np.zeros((3, 3)), np.zeros(3, bool))


STRUCTURES = [water(2, 0), water(1, 1), water(2, 2), water(1, 3)]


@pytest.fixture(scope="module", params=[SHALLOW, FULL], ids=["shallow", "full"])
def trained(request):
    model = EnergyModel(request.param)
    return model, model.init(jax.random.key(0))


@pytest.fixture(scope="module")
def shallow():
    model = EnergyModel(SHALLOW)
    return model, model.init(jax.random.key(0))


def replaced_last(params, name, index, change):
    """Parameters whose last layer has some numbers changed."""
    last = dict(params["weights"]["layers"][-1])
    last[name] = last[name].at[index].add(change)
    layers = [*params["weights"]["layers"][:-1], last]
    return {**params, "weights": {**params["weights"], "layers": layers}}


def energies(model, params):
    """Energies of the members, (n_structures, n_members)."""
    with model.scope():
        return np.asarray(model.energies(params, build_graphs(STRUCTURES, model.config)))


def test_last_layer_features_are_the_derivatives_of_the_members(trained):
    """Energies are linear in the last layer: differences are exact."""
    model, params = trained
    rows = last_layer_features(model, params, STRUCTURES)
    before = energies(model, params)
    with model.scope():
        if model.config.full:
            weights = replaced_last(params, "w", (1, 2, 0), 1.0)
            biases = replaced_last(params, "b", (0, 0), 1.0)
        else:
            weights = replaced_last(params, "w", (2, 1), 1.0)
            biases = replaced_last(params, "b", 0, 1.0)
    by_weight = (energies(model, weights) - before)[:, 1]
    by_bias = (energies(model, biases) - before)[:, 0]
    if model.config.full:  # side by side, divided by the root of the number of members
        assert rows.shape == (4, 8)
        np.testing.assert_allclose(rows[:, 6] * 2**0.5, by_weight, atol=1e-9)
        np.testing.assert_allclose(rows[:, 3] * 2**0.5, by_bias, atol=1e-9)
    else:
        assert rows.shape == (4, 4)
        np.testing.assert_allclose(rows[:, 2], by_weight, atol=1e-9)
        np.testing.assert_allclose(rows[:, 3], by_bias, atol=1e-9)


def test_features_do_not_depend_on_the_company_of_a_structure(shallow):
    model, params = shallow
    rows = last_layer_features(model, params, STRUCTURES)
    alone = last_layer_features(model, params, STRUCTURES[3:])
    np.testing.assert_allclose(rows[3:], alone, rtol=1e-9)
    with pytest.raises(ValueError, match="at least one structure, received none"):
        last_layer_features(model, params, [])


def test_force_features_are_the_derivatives_of_the_forces(trained):
    """Forces are linear in the last layer: differences are exact."""
    model, params = trained
    raw = force_features(model, params, STRUCTURES, kind="raw")
    width = 6 if model.config.full else 3
    assert [one.shape for one in raw] == [(6, 3, width), (3, 3, width)] * 2
    with model.scope():
        at = (1, 1, 0) if model.config.full else (1, slice(None))
        changed = replaced_last(params, "w", at, 1.0)
    before, after = (model.predict_many(p, STRUCTURES) for p in (params, changed))
    # Of a full ensemble the mean force changes by 1 / K, and features are divided by its root.
    number, size = (4, 2 / 2**0.5) if model.config.full else (1, 1.0)
    for row in (0, 3):
        change = size * (after[row].forces - before[row].forces)
        np.testing.assert_allclose(raw[row][..., number], change, atol=1e-9)


def test_sums_of_lengths_are_invariant_and_flat_rows_are_the_components(shallow):
    model, params = shallow
    first = STRUCTURES[1]
    order = np.array([2, 0, 1])
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    second = Structure(first.numbers[order], first.positions[order] @ turn.T, first.cell, first.pbc)
    four = [first, second, *STRUCTURES[2:]]
    sums = force_features(model, params, four)
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-9)
    raw = force_features(model, params, four, kind="raw")
    for row in range(4):
        lengths = np.linalg.norm(raw[row], axis=1).sum(axis=0)
        np.testing.assert_allclose(sums[row], lengths, rtol=1e-9)
        np.testing.assert_allclose(raw[row].sum(axis=0), 0.0, atol=1e-9)
    flat = force_features(model, params, [first], kind="flatten")
    np.testing.assert_allclose(flat[0], raw[0].reshape(-1), rtol=1e-9, atol=1e-12)


def test_kinds_and_sizes_of_force_features_are_checked(shallow):
    model, params = shallow
    with pytest.raises(ValueError, match=r"same number of atoms .* received \[3, 6\]"):
        force_features(model, params, STRUCTURES, kind="flatten")
    with pytest.raises(ValueError, match=r"kind must be .* received 'mean'"):
        force_features(model, params, STRUCTURES, kind="mean")


def test_projected_gradients_are_projections_of_the_gradient_by_all_weights(trained):
    """The projection of the gradient is the derivative along the columns of the matrix."""
    model, params = trained
    rows = projected_gradients(model, params, STRUCTURES, n_projections=6, seed=2)
    with model.scope():
        flat, restore = ravel_pytree(params["weights"])
        matrix = project(np.eye(len(flat)), 6, seed=2)
        for column in (0, 5):
            change = 1e-6 * matrix[:, column]
            up, down = (
                energies(model, {**params, "weights": restore(flat + sign * change)})
                for sign in (1.0, -1.0)
            )
            slope = np.mean(up - down, axis=1) / 2e-6
            np.testing.assert_allclose(rows[:, column], slope, rtol=1e-5)


def test_projected_gradients_keep_scalar_products_and_follow_the_seed(shallow):
    model, params = shallow
    first, second = (
        projected_gradients(model, params, STRUCTURES, n_projections=2000, seed=seed)
        for seed in (0, 1)
    )
    again = projected_gradients(model, params, STRUCTURES[::-1], n_projections=2000)
    np.testing.assert_allclose(again[::-1], first, rtol=1e-7, atol=1e-9)
    assert not np.allclose(first, second)
    lengths = np.linalg.norm(first, axis=1)
    difference = (first @ first.T - second @ second.T) / np.outer(lengths, lengths)
    assert np.abs(difference).max() < 5 * np.sqrt(2 * 2 / 2000)
