"""Weights of models that were trained with e3x (Unke & Maennel, arXiv:2401.07595, 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.potentials.equivariant.coupling import Irrep, Path, irreps_of
from nodes.numerics.potentials.equivariant.model import EquivariantMessages
from nodes.numerics.potentials.representation import Weights

__all__ = ["from_e3x_parameters"]


def from_e3x_parameters(
    tree: Mapping[str, Any],
    model: EquivariantMessages,
    elements: Sequence[int],
    *,
    cutoff: float,
    dtype: Any = np.float32,
) -> Weights:
    """Weights of ``model`` from the parameters of a message-passing network built with e3x.

    The network is a chain of ``Embed_0`` and, for each iteration i, ``MessagePass_{i}``,
    ``Dense_{2 i}`` and ``Dense_{2 i + 1}``, with tensor products that are not fused. Weights for
    vectors and matrices do not occur there; they start at random.

    Parameters
    ----------
    tree : mapping
        Flax parameters of the network.
    model : EquivariantMessages
    elements : sequence of int
        Atomic numbers, in the order of the species indices.
    cutoff : float, Angstrom
    dtype : optional
        Float type of the weights.

    Raises
    ------
    ValueError
        If the parameters are not those of such a network, or of another shape than the model's.
    """
    tree = tree.get("params", tree)
    for name in sorted(_names(model)):
        _child(tree, name)
    init = partial(model.init, n_elements=len(elements), cutoff=cutoff, dtype=dtype)
    shapes = jax.eval_shape(init, jax.random.key(0))
    tensors = jax.jit(lambda key: init(key)["tensors"])(jax.random.key(0))
    unread = set(tree) - _names(model)
    if unread:
        raise ValueError(
            f"parameters must belong to {model.n_iterations} iterations, received further ones: "
            f"{sorted(unread)}; set n_iterations to match"
        )
    steps = [_step(tree, model, index) for index in range(model.n_iterations)]
    embedding = np.asarray(tree["Embed_0"]["embedding"])[np.asarray(elements), 0, 0]
    found = {"embedding": embedding, "iterations": steps, "tensors": tensors}
    return jax.tree.map(_same_shape, shapes, found)


def _names(model: EquivariantMessages) -> set[str]:
    count = model.n_iterations
    messages = {f"MessagePass_{index}" for index in range(count)}
    return {"Embed_0"} | messages | {f"Dense_{index}" for index in range(2 * count)}


def _step(tree: Mapping[str, Any], model: EquivariantMessages, index: int) -> dict[str, Any]:
    """Weights of one iteration."""
    passing = tree[f"MessagePass_{index}"]
    if len(passing["filter"]) > model.max_degree + 1:
        raise ValueError(
            f"parameters must have degrees up to {model.max_degree}, received "
            f"{sorted(passing['filter'])}; set max_degree to match"
        )
    step = {
        "filter": np.stack(
            [
                _child(passing["filter"], _label(irrep))["kernel"]
                for irrep in irreps_of(model.max_degree)[: model.max_degree + 1]
            ]
        ),
        "tensor": _tensor(np.asarray(passing["tensor"]["kernel"]), model.paths(index)),
    }
    for offset, name in enumerate(("inner", "outer")):
        dense = tree[f"Dense_{2 * index + offset}"]
        kernels = [_child(dense, _label(irrep))["kernel"] for irrep in model.kept(index)]
        step[name] = np.stack(kernels)
        step[f"{name}_bias"] = np.asarray(dense["0+"]["bias"])
    return step


def _tensor(kernel: np.ndarray, paths: Sequence[Path]) -> np.ndarray:
    """Rows of a kernel (parity, degree) x 3 x channels that belong to the paths.

    An axis of parities of length 1 holds proper tensors only.
    """

    def row(axis: int, irrep: Irrep) -> int:
        return 0 if kernel.shape[axis] == 1 else int(irrep.parity < 0)

    rows = [
        kernel[
            0, path.degree, row(2, path.source), path.source.degree,
            row(4, path.target), path.target.degree,
        ]
        for path in paths
    ]  # fmt: skip
    return np.stack(rows)


def _label(irrep: Irrep) -> str:
    return f"{irrep.degree}{'+' if irrep.parity > 0 else '-'}"


def _child(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if name not in tree:
        raise ValueError(
            f"parameters must hold {name!r}, received only {sorted(tree)}; check n_iterations and "
            f"max_degree"
        )
    return tree[name]


def _same_shape(expected: jax.ShapeDtypeStruct, found: Any) -> jax.Array:
    if expected.shape != np.shape(found):
        raise ValueError(
            f"parameters must have the shapes of the model, received {np.shape(found)} instead of "
            f"{expected.shape}; check features and the basis"
        )
    return jnp.asarray(found, expected.dtype)
