import jax
import jax.numpy as jnp
import pytest

from nodes.numerics.potentials import Precision


def test_float64_exists_inside_the_scope_only():
    precision = Precision(energy="float64")
    with precision.scope():
        assert jnp.zeros(1, precision.dtype("energy")).dtype == jnp.float64
        assert precision.dtype("descriptor") == jnp.result_type(float)
    assert jnp.zeros(1).dtype == jnp.float32


def test_default_follows_jax():
    assert Precision().dtype("readout") == jnp.float32
    with jax.enable_x64(True):
        assert Precision().dtype("readout") == jnp.float64


def test_unknown_types_are_refused():
    with pytest.raises(ValueError, match="energy must be 'default', 'float32' or 'float64'"):
        Precision(energy="float16")
