"""Heads: equivariance, padding, aggregation, ensembles."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.potentials import (
    Bessel,
    EnergyModel,
    EquivariantMessages,
    GaussianMoments,
    ModelConfig,
    PropertyHead,
    Readout,
)
from nodes.numerics.potentials.heads import Head
from nodes.numerics.potentials.representation import Description
from nodes.numerics.structures import Structure

pytestmark = pytest.mark.slow

HEADS = (
    PropertyHead("charges", hidden=(4,), bias_init="normal"),
    PropertyHead("gap", aggregation="mean", hidden=(4,), n_members=3, ntk=True),
    PropertyHead("dipole", "l1", "sum", hidden=(4,)),
    PropertyHead("dipoles", "l1", hidden=(4,), n_members=2),
    PropertyHead("polarizability", "symmetric_l2", "sum", hidden=(4,)),
    PropertyHead("quadrupole", "symmetric_traceless_l2", "mean", hidden=(4,)),
)
REPRESENTATIONS = {
    "moments": GaussianMoments(
        n_radial=2, n_contractions=3, basis=Bessel(4), coefficients="uniform"
    ),
    "messages": EquivariantMessages(features=3, max_degree=2, basis=Bessel(4)),
}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(
    scope="module", params=["moments", pytest.param("messages", marks=pytest.mark.extensive)]
)
def trained(request):
    """A model with all heads, and parameters without neutral values."""
    config = ModelConfig(
        elements=(1, 8),
        cutoff_angstrom=2.6,
        representation=REPRESENTATIONS[request.param],
        readout=Readout(hidden=(4,)),
        n_members=2,
        heads=HEADS,
    )
    with jax.enable_x64(True):
        model = EnergyModel(config)
        params = model.init(jax.random.key(0))
        for weights in params["weights"]["heads"].values():
            weights["scale"] = jnp.array([1.5, 0.5])
            if "shift" in weights:
                weights["shift"] = jnp.array([0.3, -0.7])
        return model, params


@pytest.fixture(scope="module")
def crystal():
    cell = np.array([[2.5, 0.0, 0.0], [0.4, 2.4, 0.0], [-0.3, 0.5, 2.6]])
    positions = [[0.0, 0, 0], [1.1, 1.0, 0.2], [0.3, 0.2, 1.4]]
    return Structure([1, 8, 1], positions, cell, True)


@pytest.fixture(scope="module")
def molecule():
    return Structure([8, 1], [[0.0, 0, 0], [0.6, 0.7, 0.2]], np.zeros((3, 3)), False)


@pytest.fixture(scope="module")
def predicted(trained, crystal, molecule):
    """The properties of both structures, from one padded batch."""
    with jax.enable_x64(True):
        model, params = trained
        found = model.predict_many(params, [crystal, molecule], batch_size=2)
        return [prediction.properties for prediction in found]


def test_shapes(predicted):
    for found, n in zip(predicted, (3, 2), strict=True):
        assert {name: value.shape for name, value in found.items()} == {
            "charges": (n,),
            "gap": (3,),
            "dipole": (3,),
            "dipoles": (n, 3, 2),
            "polarizability": (3, 3),
            "quadrupole": (3, 3),
        }


def test_vectors_and_matrices_turn_with_the_structure(trained, crystal, predicted):
    model, params = trained
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    for rotation in (turn, -turn):
        turned = dataclasses.replace(
            crystal, positions=crystal.positions @ rotation + 5.0, cell=crystal.cell @ rotation
        )
        after = model.predict_many(params, [turned, turned], batch_size=2)[0].properties
        before = predicted[0]
        expected = {
            "charges": before["charges"],
            "gap": before["gap"],
            "dipole": before["dipole"] @ rotation,
            "dipoles": np.einsum("nim,ij->njm", before["dipoles"], rotation),
            "polarizability": rotation.T @ before["polarizability"] @ rotation,
            "quadrupole": rotation.T @ before["quadrupole"] @ rotation,
        }
        for name, value in expected.items():
            np.testing.assert_allclose(after[name], value, atol=1e-9, err_msg=name)
    assert all(np.abs(before[name]).max() > 1e-3 for name in expected)


def test_matrices_are_symmetric(predicted):
    for found in predicted:
        for name in ("polarizability", "quadrupole"):
            np.testing.assert_allclose(found[name], found[name].T, atol=1e-12)
        assert np.trace(found["quadrupole"]) == pytest.approx(0.0, abs=1e-12)
        assert abs(np.trace(found["polarizability"])) > 1e-3


def test_padding_atoms_do_not_count(trained, molecule, predicted):
    model, params = trained
    alone = model.predict(params, model.graph(molecule)).properties
    for name, value in alone.items():
        np.testing.assert_allclose(predicted[1][name], value, atol=1e-10, err_msg=name)


def test_every_weight_is_trained(trained, crystal):
    model, params = trained
    graph = jax.tree.map(lambda leaf: leaf[None], model.graph(crystal))

    def total(heads):
        own = params | {"weights": params["weights"] | {"heads": heads}}
        return sum(jnp.sum(jnp.sin(v)) for v in jax.tree.leaves(model.properties(own, graph)))

    gradient = jax.jit(jax.grad(total))(params["weights"]["heads"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.any(leaf != 0.0), jax.tree_util.keystr(path)


def test_mean_and_sum_of_numbers_with_scale_and_shift_by_element():
    features = jnp.array([[0.5, 1.0], [2.0, -1.0], [9.0, 9.0]])
    species = jnp.array([[0, 1, -1]])
    each = PropertyHead("x", hidden=(3,), activation="tanh")
    weights = each.init(jax.random.key(1), Description(features), 2, float)
    first, last = ({k: np.asarray(v) for k, v in weights["layers"][i].items()} for i in (0, 1))
    hidden = np.tanh(features @ first["w"] + first["b"])
    weights |= {"scale": jnp.array([2.0, 3.0]), "shift": jnp.array([-1.0, 4.0])}
    raw = (hidden @ last["w"] + last["b"])[:2, 0]
    expected = raw * [2.0, 3.0] + [-1.0, 4.0]
    for aggregation, value in (
        ("none", [*expected, 0.0]),
        ("sum", expected.sum()),
        ("mean", expected.mean()),
    ):
        head = dataclasses.replace(each, aggregation=aggregation)
        found = head.values(weights, Description(features), species)
        np.testing.assert_allclose(found[0], value, rtol=1e-12)


def test_precision_is_that_of_the_network():
    description = Description(jnp.ones((1, 2)))
    for precision, dtype in (("float32", "float32"), ("default", "float64")):
        weights = PropertyHead("x", precision=precision).init(
            jax.random.key(0), description, 1, jnp.float64
        )
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(weights)} == {dtype}


def test_json_round_trip():
    config = ModelConfig(elements=(1,), heads=HEADS)
    assert ModelConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert all(isinstance(head, Head) for head in HEADS)


def test_a_description_without_vectors_is_refused():
    messages = EquivariantMessages(features=3, max_degree=0, basis=Bessel(4))
    config = ModelConfig(elements=(1,), representation=messages, heads=HEADS[2:3])
    with pytest.raises(ValueError, match="mode='l1' must have vectors in the description"):
        EnergyModel(config).init(jax.random.key(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "energy"}, "name must be a word .* received 'energy'"),
        ({"name": "a.b"}, "name must be a word .* received 'a.b'"),
        ({"mode": "l3"}, "mode must be one of .* received 'l3'"),
        ({"aggregation": "max"}, "aggregation must be one of .* received 'max'"),
        ({"n_members": 0}, "n_members must be at least 1, received 0"),
        ({"hidden": ()}, "hidden must name at least one width"),
        ({"precision": "float16"}, "precision must be 'default', .* received 'float16'"),
    ],
)
def test_values_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        PropertyHead(**({"name": "x"} | change))
