import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.potentials.readout import Readout, scale_spread


def test_spread_is_scaled_and_the_mean_is_kept():
    readout = Readout(hidden=(4,))
    layers = readout.init(jax.random.key(0), 5, 3, jnp.float32)
    hidden = readout.hidden_features(layers, jax.random.normal(jax.random.key(1), (7, 5)))
    before = np.asarray(readout.last_layer(layers, hidden))
    after = np.asarray(readout.last_layer(scale_spread(layers, 2.5), hidden))
    np.testing.assert_allclose(after.mean(axis=1), before.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(after.std(axis=1), 2.5 * before.std(axis=1), rtol=1e-5)


@pytest.mark.parametrize("ntk", [False, True])
@pytest.mark.parametrize("weight_init", ["normal", "lecun"])
def test_activations_have_unit_variance(ntk, weight_init):
    readout = Readout(hidden=(2000,), ntk=ntk, weight_init=weight_init)
    layers = readout.init(jax.random.key(0), 100, 1, jnp.float32)
    features = jax.random.normal(jax.random.key(1), (50, 100))
    assert abs(float(np.mean(readout.hidden_features(layers, features) ** 2)) - 1.0) < 0.1


def test_activation_and_biases_are_as_asked():
    x = jax.random.normal(jax.random.key(1), (3, 5))
    readout = Readout(hidden=(4,), activation="tanh", bias_init="normal")
    layers = readout.init(jax.random.key(0), 5, 1, jnp.float32)
    assert np.all(np.asarray(layers[0]["b"]) != 0)
    expected = np.tanh(x @ layers[0]["w"] + layers[0]["b"])
    np.testing.assert_allclose(readout.hidden_features(layers, x), expected, rtol=1e-5)
    plain = Readout(hidden=(4,)).init(jax.random.key(0), 5, 1, jnp.float32)
    assert not np.asarray(plain[0]["b"]).any()
