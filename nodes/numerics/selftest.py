"""Test whether this build of JAX is to be trusted.

Some CPU builds of XLA (those of jax 0.10.2, 0.11.0 and 0.11.1) return wrong numbers for a
vmapped 3x3 matrix-vector product followed by a sum of squares, once the batch is large: the
very shape of a lattice transformation. Such an error is silent, so it is looked for.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["check_backend"]

_CONSTRAINT = "jax!=0.10.2,!=0.11.0,!=0.11.1"


@functools.cache
def check_backend() -> None:
    """Compare a vmapped 3x3 product on the default device with NumPy, once per process.

    Raises
    ------
    RuntimeError
        If they differ. The message names the version of JAX and the constraint to install.
    """
    cases: list[tuple[int, type]] = [(32769, np.float32)]
    if jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        cases.append((16385, np.float64))
    for count, dtype in cases:
        _compare(*_products(count, dtype), count, np.dtype(dtype))


def _products(count: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Squared lengths of ``count`` transformed vectors: from JAX and from NumPy."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(3, 3)).astype(dtype)
    vectors = rng.normal(size=(count, 3)).astype(dtype)

    @jax.jit
    def squared_lengths(matrix: jax.Array, vectors: jax.Array) -> jax.Array:
        return jax.vmap(lambda v: jnp.sum((matrix @ v) ** 2))(vectors)

    received = np.asarray(squared_lengths(jnp.asarray(matrix), jnp.asarray(vectors)))
    return received, np.sum((vectors @ matrix.T) ** 2, axis=1)


def _compare(received: np.ndarray, expected: np.ndarray, count: int, dtype: np.dtype) -> None:
    # A GPU may multiply float32 with 10-bit mantissas; the defect looked for is of order 1.
    tolerance = 1e-2 if dtype == np.float32 else 1e-9
    if not np.allclose(received, expected, rtol=tolerance, atol=tolerance):
        raise RuntimeError(
            f"jax {jax.__version__} on {jax.default_backend()} must multiply 3x3 matrices right, "
            f"received an error of {np.abs(received - expected).max():.2g} for {count} {dtype} "
            f"vectors; install {_CONSTRAINT}"
        )
