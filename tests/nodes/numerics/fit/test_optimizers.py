import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nodes.numerics.fit.optimizers import clipped, grouped, optimizer_named
from nodes.numerics.fit.parameters import FROZEN

WEIGHTS = {"a": jnp.array([1.0, -2.0]), "b": jnp.array([3.0]), "c": jnp.array([4.0])}


def test_each_group_moves_with_its_rate_and_frozen_ones_not_at_all():
    rule = grouped("sgd", (), (1, 0, FROZEN), [0.1, 0.5], WEIGHTS)
    updates, _ = rule.update(jax.tree.map(jnp.ones_like, WEIGHTS), rule.init(WEIGHTS), WEIGHTS)
    np.testing.assert_allclose(updates["a"], -0.5)
    np.testing.assert_allclose(updates["b"], -0.1)
    np.testing.assert_array_equal(updates["c"], 0.0)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop", "lion", "ademamix", "sam"])
def test_optimizers_go_down_a_parabola(name):
    weights = {"x": jnp.array([1.0, -2.0])}
    rule = optimizer_named(name, (), 0.05)
    state = rule.init(weights)
    step = jax.jit(rule.update)
    for _ in range(100):
        updates, state = step(weights, state, weights)
        weights = optax.apply_updates(weights, updates)
    assert float(jnp.max(jnp.abs(weights["x"]))) < 0.5


def test_settings_reach_the_optimizer():
    gradient = {"x": jnp.array([1.0])}
    first = []
    for settings in ((), (("momentum", 0.9), ("nesterov", True))):
        rule = optimizer_named("sgd", settings, 0.1)
        first.append(rule.update(gradient, rule.init(gradient))[0]["x"])
    np.testing.assert_allclose(np.concatenate(first), [-0.1, -0.19], rtol=1e-6)


def test_clipping_by_component_then_by_norm():
    gradient = {"a": jnp.array([3.0, -400.0]), "b": jnp.array([100.0]), "c": jnp.array([0.0])}
    free = clipped(gradient, (0, FROZEN, 0), jnp.inf, jnp.inf)
    np.testing.assert_array_equal(free["a"], gradient["a"])
    np.testing.assert_array_equal(free["b"], 0.0)
    components = clipped(gradient, (0, FROZEN, 0), 4.0, jnp.inf)
    np.testing.assert_array_equal(components["a"], [3.0, -4.0])
    both = clipped(gradient, (0, FROZEN, 0), 4.0, 2.5)
    np.testing.assert_allclose(both["a"], [1.5, -2.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("adamm", (), "optimizer must be the name of one in optax .* received 'adamm'"),
        ("apply_updates", (), "must be the name of one in optax"),
        ("adam", (("beta", 1.0),), r"settings of 'adam' must be among .* received \['beta'\]"),
    ],
)
def test_what_does_not_exist_is_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        optimizer_named(name, settings, 0.1)
