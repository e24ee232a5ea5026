"""Networks of apax, built with e3x: the same features and slopes (numbers of make_reference.py)."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.potentials.equivariant import EquivariantMessages, from_e3x_parameters
from nodes.numerics.potentials.radial import Bessel, Gaussian
from nodes.numerics.potentials.representation import Edges

CUTOFF, ELEMENTS = 5.0, (29, 79)
MODELS = {
    "one": EquivariantMessages(4, 2, 1, Bessel(4)),
    "two": EquivariantMessages(4, 2, 2, Bessel(4)),
    "gaussian": EquivariantMessages(4, 1, 2, Gaussian(5)),
}
LARGE_MODELS = {
    "three": EquivariantMessages(4, 2, 3, Bessel(4)),
    "octupoles": EquivariantMessages(4, 3, 2, Bessel(3)),
}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def reference():
    with np.load(Path(__file__).with_name("reference.npz"), allow_pickle=False) as file:
        return dict(file)


def parameters(reference, name):
    """Nested dicts, as flax keeps them."""
    tree = {}
    for key, value in reference.items():
        case, _, path = key.partition("/params/")
        if path and case == name:
            *parents, last = path.split(".")
            node = tree
            for parent in parents:
                node = node.setdefault(parent, {})
            node[last] = value
    return tree


def all_pairs(reference):
    """Every atom neighbours every other one."""
    positions, n = reference["positions"], len(reference["numbers"])
    neighbor = reference["pairs"][1].reshape(n, n - 1)
    species = np.searchsorted(ELEMENTS, reference["numbers"])
    vectors = positions[neighbor] - positions[:, None]
    return Edges(*(jnp.asarray(a) for a in (vectors, species, species[neighbor], neighbor)))


def check(reference, name, model):
    tree = parameters(reference, name)
    weights = from_e3x_parameters(tree, model, ELEMENTS, cutoff=CUTOFF, dtype=np.float64)
    edges = all_pairs(reference)

    @jax.jit
    def evaluate(vectors):
        def features(vectors):
            moved = edges._replace(vectors=vectors)
            return model.describe(weights, moved, cutoff=CUTOFF).scalars

        found, pull_back = jax.vjp(features, vectors)
        return found, pull_back(jnp.asarray(reference[f"{name}/weights"]))[0]

    features, slopes = evaluate(edges.vectors)
    np.testing.assert_allclose(features, reference[f"{name}/features"], atol=1e-8)
    np.testing.assert_allclose(slopes.reshape(-1, 3), reference[f"{name}/slopes"], atol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_features_and_slopes_are_those_of_the_peer(reference, name):
    check(reference, name, MODELS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE_MODELS)
def test_pseudotensors_and_high_degrees_are_those_of_the_peer(reference, name):
    check(reference, name, LARGE_MODELS[name])


def read(tree, model):
    return from_e3x_parameters(tree, model, ELEMENTS, cutoff=CUTOFF)


def test_the_outer_dict_of_flax_may_stay(reference):
    tree = parameters(reference, "one")
    plain, wrapped = (read(t, MODELS["one"]) for t in (tree, {"params": tree}))
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, plain, wrapped)))


@pytest.mark.parametrize(
    ("name", "model", "message"),
    [
        ("two", EquivariantMessages(4, 2, 1, Bessel(4)), "set n_iterations to match"),
        ("one", EquivariantMessages(4, 2, 2, Bessel(4)), "must hold 'Dense_2'"),
        ("one", EquivariantMessages(4, 3, 1, Bessel(4)), "must hold '3-'"),
        ("one", EquivariantMessages(4, 1, 1, Bessel(4)), "set max_degree to match"),
        ("one", EquivariantMessages(4, 2, 1, Bessel(5)), "check features and the basis"),
    ],
)
def test_parameters_of_another_model_are_refused(reference, name, model, message):
    with pytest.raises(ValueError, match=message):
        read(parameters(reference, name), model)
