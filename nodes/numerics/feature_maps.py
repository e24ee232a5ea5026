r"""Features of structures from a trained model: gradients of its predictions by its weights.

Scalar products of gradients are the kernel of the model linearised about its weights, so that
structures with similar gradients teach it the same: V. Zaverkin, D. Holzmüller, I. Steinwart and
J. Kästner, *Digit. Discov.* **1**, 605 (2022).

- `last_layer_features`: of the energy, by the last layer.
- `force_features`: of the forces, by the last layer.
- `projected_gradients`: of the energy, by all weights, made short by a random projection.

Any model will do whose weights have ``layers``, of which the last is linear. The members of a
shallow ensemble have all but the last layer in common, hence also their last-layer features; those
of a full ensemble stand side by side, so that the kernel is the mean of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from nodes.numerics.potentials import EnergyModel, Graph, Params
from nodes.numerics.potentials.prediction import batches
from nodes.numerics.selection.projections import project
from nodes.numerics.structures import Structure

__all__ = ["force_features", "last_layer_features", "projected_gradients"]

_DIRECTIONS_AT_ONCE = 16
_GRADIENT_BYTES = 256 * 2**20


def last_layer_features(
    model: EnergyModel, params: Params, structures: Sequence[Structure], *, batch_size: int = 32
) -> np.ndarray:
    """Gradient of the energy by weights and bias of the last layer.

    Parameters
    ----------
    structures : sequence of Structure
        Of any sizes; at least one.
    batch_size : int
        Structures that are computed at once; the result does not depend on it.

    Returns
    -------
    (n_structures, n_hidden + 1), eV
        Of a full ensemble (n_structures, n_members * (n_hidden + 1)), divided by the square root
        of n_members.
    """
    with model.scope():
        return _gathered(partial(_last_layer, model, params), model, structures, batch_size)


def force_features(
    model: EnergyModel,
    params: Params,
    structures: Sequence[Structure],
    *,
    kind: Literal["sum", "flatten", "raw"] = "sum",
    batch_size: int = 8,
) -> np.ndarray | list[np.ndarray]:
    """Derivative of the forces by the weights of the last layer (the bias gives no force).

    Parameters
    ----------
    structures : sequence of Structure
        Of any sizes; at least one.
    kind : {'sum', 'flatten', 'raw'}
        - 'sum': the lengths of the derivatives of each atom's force, summed over atoms: invariant
          under rotation and permutation. (The sum of the vectors is zero.)
        - 'flatten': all components one after the other; structures must be of one size.
        - 'raw': an array of each structure.
    batch_size : int
        Structures that are computed at once; the result does not depend on it.

    Returns
    -------
    (n_structures, n_hidden), (n_structures, n_atoms * 3 * n_hidden) or list of (n_atoms, 3,
    n_hidden), eV/Angstrom; of a full ensemble with n_members * n_hidden in place of n_hidden

    Raises
    ------
    ValueError
        If the kind is unknown, or structures to be flattened differ in size.
    """
    if kind not in ("sum", "flatten", "raw"):
        raise ValueError(f"kind must be 'sum', 'flatten' or 'raw', received {kind!r}")
    sizes = sorted({len(structure) for structure in structures})
    if kind == "flatten" and len(sizes) > 1:
        raise ValueError(
            f"structures must all have the same number of atoms to be flattened, received "
            f"{sizes}; take kind='sum'"
        )
    with model.scope():
        if kind == "sum":
            lengths = partial(_force_lengths, model, params)
            return _gathered(lengths, model, structures, batch_size)
        raw: list[Any] = [None] * len(structures)
        for rows, batch in batches(model, structures, batch_size=batch_size):
            found = np.asarray(_force_derivatives(model, params, batch), np.float64)
            for b, row in enumerate(rows):
                raw[row] = np.moveaxis(found[:, b, : len(structures[row])], 0, -1)
    return raw if kind == "raw" else np.array([one.reshape(-1) for one in raw])


def projected_gradients(
    model: EnergyModel,
    params: Params,
    structures: Sequence[Structure],
    *,
    n_projections: int = 512,
    seed: int = 0,
    batch_size: int = 8,
) -> np.ndarray:
    """Gradient of the mean energy by all weights, randomly projected (see `project`).

    Gradients are gathered until they fill 256 MB, then projected together by a matrix of which
    one block exists at a time: the whole, of n_weights x n_projections numbers, is never held.

    Parameters
    ----------
    structures : sequence of Structure
        Of any sizes; at least one.
    n_projections : int
    seed : int
        Of the projection: the same seed gives features that may be compared.
    batch_size : int
        Structures that are computed at once; the result does not depend on it.

    Returns
    -------
    (n_structures, n_projections)
    """
    result = np.empty((len(structures), n_projections))
    rows: list[int] = []
    gradients: list[np.ndarray] = []

    def flush() -> None:
        result[rows] = project(np.concatenate(gradients), n_projections, seed=seed)
        rows.clear()
        gradients.clear()

    with model.scope():
        for members, batch in batches(model, structures, batch_size=batch_size):
            gradients.append(np.asarray(_gradients(model, params, batch))[: len(members)])
            rows.extend(members)
            if sum(block.nbytes for block in gradients) > _GRADIENT_BYTES:
                flush()
    if rows:
        flush()
    return result


def _gathered(
    compute: Any, model: EnergyModel, structures: Sequence[Structure], batch_size: int
) -> np.ndarray:
    """One row of features per structure, in order and in float64."""
    result: np.ndarray | None = None
    for rows, batch in batches(model, structures, batch_size=batch_size):
        found = np.asarray(compute(batch), np.float64)
        if result is None:
            result = np.empty((len(structures), found.shape[1]))
        result[rows] = found[: len(rows)]
    if result is None:
        raise ValueError("structures must hold at least one structure, received none")
    return result


def _with_last(params: Params, last: Any) -> Params:
    """The same parameters with another last layer."""
    layers = [*params["weights"]["layers"][:-1], last]
    return {**params, "weights": {**params["weights"], "layers": layers}}


@partial(jax.jit, static_argnums=0)
def _last_layer(model: EnergyModel, params: Params, batch: Graph) -> jax.Array:
    def summed(last: Any, graph: Graph) -> jax.Array:
        return jnp.sum(model.energies(_with_last(params, last), graph))

    last = params["weights"]["layers"][-1]
    found = jax.vmap(jax.grad(summed), in_axes=(None, 0))(last, batch)
    count = batch.species.shape[0]
    if not model.config.full:  # all columns, one of each member, are equal
        return jnp.concatenate([found["w"][..., 0], found["b"].reshape(count, -1)[:, :1]], axis=1)
    members = model.config.n_members
    both = [found[name].reshape(count, members, -1) for name in ("w", "b")]
    return jnp.concatenate(both, axis=2).reshape(count, -1) / jnp.sqrt(members)


@partial(jax.jit, static_argnums=0)
def _force_derivatives(model: EnergyModel, params: Params, batch: Graph) -> jax.Array:
    """Derivatives of the forces, which are linear in the last layer, (n_features, b, n, 3)."""
    last = params["weights"]["layers"][-1]
    shape = last["w"].shape
    # All members of a shallow ensemble at once; of a full one each, and the mean takes 1 / K of it.
    full = model.config.full
    count = shape[0] * shape[1] if full else shape[0]
    size = model.config.n_members**0.5 if full else 1.0

    def derivative(number: jax.Array) -> jax.Array:
        chosen = (jnp.arange(count) == number).astype(last["w"].dtype) * size
        weights = chosen.reshape(shape) if full else jnp.broadcast_to(chosen[:, None], shape)
        direction = {"w": weights, "b": jnp.zeros_like(last["b"])}
        forces = lambda layer: model.evaluate(_with_last(params, layer), batch).forces  # noqa: E731
        return jax.jvp(forces, (last,), (direction,))[1]

    return jax.lax.map(derivative, jnp.arange(count), batch_size=_DIRECTIONS_AT_ONCE)


@partial(jax.jit, static_argnums=0)
def _force_lengths(model: EnergyModel, params: Params, batch: Graph) -> jax.Array:
    """Lengths (b, n_features) of the derivatives, summed over atoms."""
    derivatives = _force_derivatives(model, params, batch)
    return jnp.sum(jnp.linalg.norm(derivatives, axis=-1), axis=-1).T


@partial(jax.jit, static_argnums=0)
def _gradients(model: EnergyModel, params: Params, batch: Graph) -> jax.Array:
    """Gradients (b, n_weights) of the mean energy of each structure."""

    def mean_energy(weights: Any, graph: Graph) -> jax.Array:
        return jnp.mean(model.energies({**params, "weights": weights}, graph))

    gradient = jax.grad(mean_energy)
    return jax.lax.map(lambda graph: ravel_pytree(gradient(params["weights"], graph))[0], batch)
