import jax
import pytest


@pytest.fixture(scope="package", autouse=True)
def optimised():
    """These tests take many steps of little programs: compilation pays."""
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield
