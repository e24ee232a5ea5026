import jax
import numpy as np

from nodes.numerics.potentials.readout import (
    hidden_features,
    init_layers,
    last_layer,
    scale_spread,
)


def test_spread_is_scaled_and_the_mean_is_kept():
    layers = init_layers(jax.random.key(0), (5, 4, 3))
    features = jax.random.normal(jax.random.key(1), (7, 5))
    hidden = hidden_features(layers, features)
    before = np.asarray(last_layer(layers, hidden))
    after = np.asarray(last_layer(scale_spread(layers, 2.5), hidden))
    np.testing.assert_allclose(after.mean(axis=1), before.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(after.std(axis=1), 2.5 * before.std(axis=1), rtol=1e-5)


def test_activation_keeps_unit_variance():
    layers = init_layers(jax.random.key(0), (100, 2000, 1))
    features = jax.random.normal(jax.random.key(1), (50, 100))
    assert abs(float(np.mean(hidden_features(layers, features) ** 2)) - 1.0) < 0.1
