"""The loss of a batch and its gradient.

`score` is a pure function of what a model predicts and of labels; `value_and_gradient` is the
one place where it is differentiated by the weights.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nodes.numerics.fit.config import FitConfig, LossKind
from nodes.numerics.fit.losses import Compared, compare, ensemble_mean_std
from nodes.numerics.fit.packing import Dataset
from nodes.numerics.potentials.directional import directional
from nodes.numerics.potentials.graph import Graph, edge_direction
from nodes.numerics.potentials.model import EnergyModel, Evaluation

__all__ = ["Coefficients", "Objective", "Sums", "score", "value_and_gradient"]

Tree = Any


class Objective(NamedTuple):
    """What of the loss is fixed at compile time.

    Attributes
    ----------
    model : EnergyModel
    losses : tuple of (name, kind)
    members : bool
        Whether the forces of each member are needed.
    """

    model: EnergyModel
    losses: tuple[tuple[str, LossKind], ...]
    members: bool

    @classmethod
    def of(cls, model: EnergyModel, config: FitConfig) -> Objective:
        """Objective of a config."""
        pairs: tuple[tuple[str, LossKind], ...] = tuple(
            (loss.name, loss.kind) for loss in config.losses
        )
        return cls(model, pairs, config.needs_members)


class Coefficients(NamedTuple):
    """Numbers of each loss, (n_losses,); see `Loss`. They share one compiled program."""

    weight: jax.Array
    atoms_exponent: jax.Array
    delta: jax.Array

    @classmethod
    def of(cls, config: FitConfig) -> Coefficients:
        """Coefficients of a config."""
        losses = config.losses
        return cls(
            jnp.array([loss.weight for loss in losses]),
            jnp.array([loss.atoms_exponent for loss in losses]),
            jnp.array([loss.delta for loss in losses]),
        )


class Sums(NamedTuple):
    """Sums over a batch, from which all metrics follow.

    Attributes
    ----------
    losses : (n_losses, 2)
        Of each loss before its weight: sum over structures, and how many have the label.
    errors : dict of (3,)
        Of each property: sums of absolute and squared errors, and how many values.
    cosine : (2,)
        Of force vectors: sum of the cosine to their reference, and how many.
    """

    losses: jax.Array
    errors: dict[str, jax.Array]
    cosine: jax.Array


def value_and_gradient(
    objective: Objective,
    coefficients: Coefficients,
    weights: Tree,
    constants: Tree,
    batch: Dataset,
) -> tuple[Sums, Tree]:
    """Sums over a batch, and the gradient of its loss by the weights."""
    evaluation = jax.lax.stop_gradient(predict(objective, weights, constants, batch))
    # First by the predictions: `seeds` has the shape of an Evaluation.
    seeds, sums = jax.grad(partial(score, objective, coefficients), has_aux=True)(evaluation, batch)
    scalar = partial(_linearised, objective, constants, batch.graph, seeds)
    return sums, jax.grad(scalar)(weights)


def _linearised(
    objective: Objective, constants: Tree, graph: Graph, seeds: Evaluation, weights: Tree
) -> jax.Array:
    """A number whose gradient by the weights is that of the loss.

    Forces and virial are linear in the gradient of the energy by edge vectors, so what the loss
    sees of them is how energies change when edges move along one direction. That is a derivative
    in forward mode: backward mode has to be gone through only once more.
    """
    model, params = objective.model, {"weights": weights, "constants": constants}
    direction = edge_direction(graph, seeds.forces, seeds.virial)
    if seeds.member_forces is None:
        energies, change = directional(model, params, graph, direction)
        total = jnp.sum(change) / change.shape[-1]
    else:
        share = direction / len(seeds.member_forces)

        def along_own(forces: jax.Array) -> tuple[jax.Array, jax.Array]:
            return directional(model, params, graph, share + edge_direction(graph, forces))

        # One after the other: jax 0.10 sums cotangents of a vmapped custom_vjp twice where an
        # output does not depend on the mapped argument.
        energies, change = jax.lax.map(along_own, seeds.member_forces)
        energies, total = energies[0], jnp.trace(jnp.sum(change, axis=1))
    total += jnp.sum(seeds.energies * energies)
    for name, value in model.properties(params, graph).items():
        total += jnp.sum(seeds.properties[name] * value)
    return total


def predict(objective: Objective, weights: Tree, constants: Tree, batch: Dataset) -> Evaluation:
    """Evaluate the model on a batch."""
    params = {"weights": weights, "constants": constants}
    return objective.model.evaluate(params, batch.graph, members=objective.members)


def score(
    objective: Objective, coefficients: Coefficients, evaluation: Evaluation, batch: Dataset
) -> tuple[jax.Array, Sums]:
    """Loss of a batch, ``sum of weight * mean over labelled structures``, and its sums."""
    compared = _compared(evaluation, batch)
    n_atoms = jnp.maximum(jnp.sum(batch.graph.species >= 0, axis=1), 1)
    total, rows = jnp.zeros((), batch.energy.dtype), []
    for i, (name, kind) in enumerate(objective.losses):
        values = compare(kind, compared[name], coefficients.delta[i])
        values = jnp.where(_mask(name, values, batch), values, 0.0)
        per_structure = jnp.sum(values.reshape(len(values), -1), axis=1)
        per_structure = per_structure / n_atoms ** coefficients.atoms_exponent[i]
        row = jnp.stack([jnp.sum(per_structure), jnp.sum(batch.known[name])])
        total += coefficients.weight[i] * row[0] / jnp.maximum(row[1], 1.0)
        rows.append(row)
    errors = {name: _errors(name, data, batch) for name, data in compared.items()}
    per_atom = Compared(*(x / n_atoms for x in compared["energy"][:2]))
    errors["energy_per_atom"] = _errors("energy", per_atom, batch)
    return total, Sums(jnp.stack(rows), errors, _cosine(compared["forces"], batch))


def _compared(evaluation: Evaluation, batch: Dataset) -> dict[str, Compared]:
    """Predictions beside labels, by the names of losses; zero in both where there is padding."""
    energy, energy_std = ensemble_mean_std(evaluation.energies, axis=-1)
    atoms = (batch.graph.species >= 0)[..., None]
    members, forces_std = evaluation.member_forces, None
    if members is not None:
        forces_std = ensemble_mean_std(members, axis=0)[1]
    compared = {
        "energy": Compared(energy, batch.energy, energy_std),
        "forces": Compared(evaluation.forces * atoms, batch.forces, forces_std, members),
        "stress": Compared(evaluation.virial, batch.virial),
    }
    for name, reference in batch.properties.items():
        value, std = evaluation.properties[name], None
        if value.ndim > reference.ndim:
            value, std = ensemble_mean_std(value, axis=-1)
        compared[name] = Compared(value, reference, std)
    return compared


def _mask(name: str, values: jax.Array, batch: Dataset) -> jax.Array:
    """Which values (b, ...) count: the structure has the label, the atom exists."""
    known = batch.known[name] > 0
    if name in batch.per_atom:
        known = known[:, None] & (batch.graph.species >= 0)
    missing = (1,) * (values.ndim - known.ndim)
    return jnp.broadcast_to(known.reshape(*known.shape, *missing), values.shape)


def _errors(name: str, data: Compared, batch: Dataset) -> jax.Array:
    error = data.value - data.reference
    mask = _mask(name, error, batch)
    error = jnp.where(mask, error, 0.0)
    return jnp.stack([jnp.sum(jnp.abs(error)), jnp.sum(error**2), jnp.sum(mask)])


def _cosine(forces: Compared, batch: Dataset) -> jax.Array:
    loss = compare("cosine_sim", jax.lax.stop_gradient(forces), 1.0)
    mask = _mask("forces", loss, batch)
    return jnp.stack([jnp.sum(jnp.where(mask, 1.0 - loss, 0.0)), jnp.sum(mask)])
