"""How energies change when edges move along a direction: the heart of training on forces."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from nodes.numerics.potentials.graph import Graph
from nodes.numerics.potentials.model import EnergyModel, Params, split_members
from nodes.numerics.potentials.representation import Edges

__all__ = ["directional"]


def directional(
    model: EnergyModel, params: Params, graph: Graph, direction: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Energies (b, n_members), and their change as edge vectors move along ``direction``.

    Corrections are included. To be differentiated by the weights: as forces are linear in the
    gradient of the energy, any loss of energies and forces has the gradient of
    ``sum(a * energies) + sum(change)`` for suitable ``a`` and ``direction``, both constant.
    """
    edges = model.edges(graph, graph.vectors)
    flat = direction.reshape(edges.vectors.shape).astype(edges.vectors.dtype)
    member = partial(_member, model, edges, flat)
    learned, constants = split_members(params)
    if model.config.full:
        outputs = jax.vmap(member)(learned, constants)
        outputs = tuple(jnp.moveaxis(part[..., 0], 0, -1) for part in outputs)
    else:
        outputs = member(learned, constants)
    totals = partial(model.totals, params, edges, graph=graph)
    energies, change = jax.jvp(totals, outputs[:1], outputs[1:])
    if model.config.corrections:
        physical = partial(model.physical, params, graph)
        vectors = graph.vectors
        more, further = jax.jvp(physical, (vectors,), (direction.astype(vectors.dtype),))
        energies, change = energies + more[:, None], change + further[:, None]
    return energies, change


def _member(
    model: EnergyModel, edges: Edges, direction: jax.Array, learned: Params, constants: Params
) -> tuple[jax.Array, jax.Array]:
    """Outputs of the readout and their change; of one member of a full ensemble."""
    weights, cutoff = learned["representation"], model.config.cutoff_angstrom
    representation: Any = model.config.representation
    with jax.default_matmul_precision("highest"):
        if hasattr(representation, "describe_tangent"):
            scalars = representation.describe_tangent(weights, edges, direction, cutoff=cutoff)
        else:
            scalars = _change_by_two_pull_backs(
                lambda v: model.describe(weights, edges._replace(vectors=v)).scalars,
                edges.vectors,
                direction,
            )

        def outputs(scalars: jax.Array) -> jax.Array:
            hidden = model.hidden(learned, constants, scalars)
            return model.config.readout.last_layer(learned["layers"], hidden)

        return jax.jvp(outputs, scalars[:1], scalars[1:])


def _change_by_two_pull_backs(
    function: Callable[[jax.Array], jax.Array], x: jax.Array, direction: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Value and change along a direction, for functions without a forward derivative.

    The pull-back is linear; its own pull-back is the forward derivative.
    """
    value, pull_back = jax.vjp(function, x)
    _, transposed = jax.vjp(lambda cotangent: pull_back(cotangent)[0], jnp.zeros_like(value))
    return value, transposed(direction)[0]
