"""A loss of energies and forces has the same gradient in both ways of differentiating."""

import dataclasses

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
    Precision,
    Readout,
    Zbl,
    build_graphs,
)
from nodes.numerics.potentials.directional import directional
from nodes.numerics.structures import Structure

CONFIG = ModelConfig(
    elements=(1, 8),
    cutoff_angstrom=3.0,
    representation=GaussianMoments(n_radial=2, basis=Bessel(4), n_contractions=5),
    readout=Readout(hidden=(8,)),
    n_members=2,
    corrections=(Zbl(),),
    precision=Precision.double(),
)
CONFIGS = {
    "shallow": CONFIG,
    "full": dataclasses.replace(CONFIG, ensemble="full"),
    "messages": dataclasses.replace(CONFIG, representation=EquivariantMessages(3, max_degree=1)),
}


SLOW = dict.fromkeys(("full", "messages"), pytest.mark.slow)


@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in CONFIGS])
def test_both_ways_give_one_gradient(name):
    model = EnergyModel(CONFIGS[name])
    positions = np.array([[0.0, 0, 0], [0.9, 0.2, 0], [-0.3, 1.1, 0.4]])
    structures = [
        Structure([8, 1, 1], positions, np.diag([2.8, 4.0, 5.0]), True),
        Structure([8, 1], positions[:2], np.zeros((3, 3)), False),
    ]
    rng = np.random.default_rng(0)
    with model.scope():
        params = model.init(jax.random.key(1))
        graph = build_graphs(structures, model.config)
        direction = jnp.asarray(rng.normal(size=graph.vectors.shape))
        factor = jnp.asarray(rng.normal(size=(2, 2)))

        def energies(weights, vectors):
            own = {"weights": weights, "constants": params["constants"]}
            extra = model.physical(own, graph, vectors)
            return model.learned(own, graph, vectors) + extra[:, None]

        def backward(weights):
            values, pull_back = jax.vjp(lambda v: energies(weights, v), graph.vectors)
            (gradient,) = pull_back(jnp.ones_like(values))
            return jnp.sum(factor * values) + jnp.sum(gradient * direction)

        def forward(weights):
            own = {"weights": weights, "constants": params["constants"]}
            values, change = directional(model, own, graph, direction)
            return jnp.sum(factor * values) + jnp.sum(change)

        (a, b), (c, d) = (
            jax.jit(jax.value_and_grad(f))(params["weights"]) for f in (backward, forward)
        )
        assert float(a) == pytest.approx(float(c), rel=1e-10)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-8, atol=1e-10), b, d)
