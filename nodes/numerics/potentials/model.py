"""EnergyModel: energies, forces and virial as pure functions of parameters and graphs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.potentials.config import ModelConfig
from nodes.numerics.potentials.graph import (
    Graph,
    build_graph,
    forces_of,
    virial_of,
    with_batch_axis,
)
from nodes.numerics.potentials.prediction import (
    Prediction,
    member_energies,
    predict_graphs,
    predict_many,
)
from nodes.numerics.potentials.representation import Description, Edges
from nodes.numerics.structures import Structure

__all__ = ["EnergyModel", "Evaluation", "Params", "split_members", "take_species"]

Params = dict[str, Any]
"""``weights``: what a fit learns (representation, layers, scale, shift, corrections, heads; with
a full ensemble the first two have a leading axis of members, scale and shift a last one).
``constants``: what it sets beforehand (reference: eV per element in float64 NumPy; feature_mean,
feature_scale)."""


class Evaluation(NamedTuple):
    """Raw result for a batch of b structures; reference energies are not included.

    Attributes
    ----------
    energies : (b, n_members), eV
    forces : (b, n, 3), eV/Angstrom
        Of the mean energy.
    virial : (b, 3, 3), eV
        Derivative of the mean energy by strain.
    member_forces : (n_members, b, n, 3) or None
    properties : dict of arrays
        By head.
    """

    energies: jax.Array
    forces: jax.Array
    virial: jax.Array
    member_forces: jax.Array | None = None
    properties: dict[str, jax.Array] = {}  # noqa: RUF012 - never written to


@dataclass(frozen=True)
class EnergyModel:
    """A potential: representation | readout | scale and shift | corrections.

    Everything is a method of a hashable object and takes parameters and graphs, so that it can
    be compiled. `predict`, `predict_many`, `energies` and `features` are for use on the host.

    Examples
    --------
    >>> model = EnergyModel(ModelConfig(elements=(29,), readout=Readout(hidden=(16,))))
    >>> params = model.init(jax.random.key(0))
    >>> model.predict(params, model.graph(structure)).forces
    """

    config: ModelConfig

    def scope(self) -> AbstractContextManager[None]:
        """Context in which the float types of the model exist; enter it around all use."""
        return self.config.precision.scope()

    def init(self, key: jax.Array) -> Params:
        """Random parameters."""
        config = self.config
        with self.scope():
            parts = jax.random.split(key, 3)
            dtype = config.precision.dtype("energy")
            n_elements = len(config.elements)
            own = (n_elements, config.n_members) if config.full else (n_elements,)
            if config.full:
                members = jax.random.split(parts[0], config.n_members)
                learned, constants = jax.vmap(self._init_member)(members)
            else:
                learned, constants = self._init_member(parts[0])
            corrections = {c.name: c.init(config.elements, dtype) for c in config.corrections}
            return {
                "weights": learned
                | {
                    "scale": jnp.ones(own, dtype),
                    "shift": jnp.zeros(own, dtype),
                    "corrections": corrections,
                    "heads": self._init_heads(parts[1], learned),
                },
                "constants": constants | {"reference": np.zeros(n_elements)},
            }

    def _init_member(self, key: jax.Array) -> tuple[Params, Params]:
        """Representation and layers, and constants of the features."""
        config = self.config
        first, second = jax.random.split(key)
        dtype = config.precision.dtype("descriptor")
        representation = config.representation.init(
            first,
            n_elements=len(config.elements),
            cutoff=config.cutoff_angstrom,
            dtype=dtype,
        )
        n_features, n_outputs = self.n_features, 1 if config.full else config.n_members
        readout = config.precision.dtype("readout")
        layers = config.readout.init(second, n_features, n_outputs, readout)
        constants = {
            "feature_mean": jnp.zeros(n_features, dtype),
            "feature_scale": jnp.ones(n_features, dtype),
        }
        return {"representation": representation, "layers": layers}, constants

    def _init_heads(self, key: jax.Array, learned: Params) -> Params:
        config, dtype = self.config, self.config.precision.dtype("readout")
        if not config.heads:
            return {}
        one = jax.tree.map(lambda leaf: leaf[0], learned) if config.full else learned
        slots, atom = jnp.zeros((1, 1), jnp.int32), jnp.zeros(1, jnp.int32)
        vectors = jnp.ones((1, 1, 3), config.precision.dtype("descriptor"))
        shapes = jax.eval_shape(
            partial(self.describe, one["representation"], equivariant=True),
            Edges(vectors, atom, slots, slots),
        )
        keys = jax.random.split(key, len(config.heads))
        heads = zip(config.heads, keys, strict=True)
        n_elements = len(config.elements)
        return {head.name: head.init(k, shapes, n_elements, dtype) for head, k in heads}

    @property
    def n_features(self) -> int:
        """Number of scalar features per atom."""
        return self.config.representation.n_features

    def graph(self, structure: Structure) -> Graph:
        """Graph of one structure (see `build_graph`)."""
        with self.scope():
            return build_graph(structure, self.config)

    def evaluate(self, params: Params, graph: Graph, *, members: bool = False) -> Evaluation:
        """Energies, forces and virial of a batch, from one backward pass; to be compiled.

        Parameters
        ----------
        graph : Graph
            With a leading batch axis.
        members : bool
            Also the forces of each member: one more backward pass per member, through
            quantities that are shared.
        """
        n_members = self.config.n_members
        energies, pull_back = jax.vjp(partial(self.learned, params, graph), graph.vectors)
        (gradient,) = pull_back(jnp.full_like(energies, 1.0 / n_members))
        common = jnp.zeros_like(gradient)
        if self.config.corrections:
            physical = partial(self.physical, params, graph)
            extra, pull_back_extra = jax.vjp(physical, graph.vectors)
            (common,) = pull_back_extra(jnp.ones_like(extra))
            energies += extra[:, None]
        gradient += common
        member_forces = None
        if members:
            each = jnp.eye(n_members, dtype=energies.dtype)[:, None, :]
            each = jnp.broadcast_to(each, (n_members, *energies.shape))
            # One member after the other: side by side their edges do not fit into the caches.
            member_forces = jax.lax.map(lambda c: forces_of(pull_back(c)[0] + common, graph), each)
        return Evaluation(
            energies,
            forces_of(gradient, graph),
            virial_of(gradient, graph),
            member_forces,
            self.properties(params, graph),
        )

    def predict(self, params: Params, graph: Graph, *, forces_std: bool = False) -> Prediction:
        """Prediction for the graph of one structure (without a batch axis)."""
        with self.scope():
            return predict_graphs(self, params, with_batch_axis(graph), forces_std=forces_std)[0]

    def predict_many(
        self,
        params: Params,
        structures: Sequence[Structure],
        *,
        batch_size: int = 8,
        forces_std: bool = False,
    ) -> list[Prediction]:
        """Predictions for structures of any size, in batches of few compiled shapes."""
        with self.scope():
            return predict_many(
                self, params, structures, batch_size=batch_size, forces_std=forces_std
            )

    def energies(self, params: Params, graph: Graph) -> jax.Array:
        """Energy of each member in eV, reference energies included, shape (..., n_members).

        In JAX's float type: for large absolute energies in float32 prefer `predict`, which adds
        the reference energies in float64 on the host.
        """
        energies = member_energies(self, params, with_batch_axis(graph))
        return energies.reshape(*graph.species.shape[:-1], -1)

    def features(self, params: Params, graph: Graph) -> jax.Array:
        """Scalar features before normalisation, (..., n, n_features); full: of each member."""
        weights, batch = params["weights"]["representation"], with_batch_axis(graph)
        edges = self.edges(batch, batch.vectors)
        if self.config.full:
            scalars = jax.vmap(lambda w: self.describe(w, edges).scalars)(weights)
            return scalars.reshape(-1, *graph.species.shape, self.n_features)
        return self.describe(weights, edges).scalars.reshape(*graph.species.shape, -1)

    def reference_energy(self, params: Params, species: np.ndarray) -> np.ndarray:
        """Sum of reference energies in float64, eV; species (..., n), -1 for padding."""
        reference = np.append(np.asarray(params["constants"]["reference"], np.float64), 0.0)
        return np.sum(reference[np.asarray(species)], axis=-1)

    def edges(self, graph: Graph, vectors: jax.Array) -> Edges:
        """Join the atoms of a batch."""
        b, n, k = graph.neighbor_species.shape
        offset = n * jnp.arange(b, dtype=graph.reverse.dtype)[:, None, None]
        return Edges(
            vectors.reshape(-1, k, 3).astype(self.config.precision.dtype("descriptor")),
            graph.species.reshape(-1),
            graph.neighbor_species.reshape(-1, k),
            (graph.reverse // k + offset).reshape(-1, k),
        )

    def describe(self, weights: Any, edges: Edges, *, equivariant: bool = False) -> Description:
        """Features of each atom of a batch, from the weights of the representation."""
        cutoff = self.config.cutoff_angstrom
        with jax.default_matmul_precision("highest"):
            return self.config.representation.describe(
                weights, edges, cutoff=cutoff, equivariant=equivariant
            )

    def hidden(self, learned: Params, constants: Params, scalars: jax.Array) -> jax.Array:
        """Input of the last layer, shape (N, n_hidden), for one member of a full ensemble."""
        features = (scalars - constants["feature_mean"]) / constants["feature_scale"]
        features = features.astype(self.config.precision.dtype("readout"))
        with jax.default_matmul_precision("highest"):
            return self.config.readout.hidden_features(learned["layers"], features)

    def outputs(self, params: Params, edges: Edges) -> jax.Array:
        """Output of each member per atom, shape (N, n_members), before scale and shift."""

        def member(learned: Params, constants: Params) -> jax.Array:
            scalars = self.describe(learned["representation"], edges).scalars
            hidden = self.hidden(learned, constants, scalars)
            with jax.default_matmul_precision("highest"):
                return self.config.readout.last_layer(learned["layers"], hidden)

        learned, constants = split_members(params)
        if not self.config.full:
            return member(learned, constants)
        return jnp.moveaxis(jax.vmap(member)(learned, constants)[..., 0], 0, -1)

    def learned(self, params: Params, graph: Graph, vectors: jax.Array) -> jax.Array:
        """Energies (b, n_members) without reference energies; padded atoms give zero."""
        edges = self.edges(graph, vectors)
        return self.totals(params, edges, self.outputs(params, edges), graph)

    def totals(self, params: Params, edges: Edges, outputs: jax.Array, graph: Graph) -> jax.Array:
        """Energies (b, n_members) from the outputs of the readout, (N, n_members).

        Atomic energies are summed in float64 where JAX allows it.
        """
        weights = params["weights"]
        n_atoms = len(edges.receiver)
        scale, shift = (
            take_species(weights[name], edges.receiver).reshape(n_atoms, -1)
            for name in ("scale", "shift")
        )
        atomic = scale * outputs.astype(scale.dtype) + shift
        atomic = atomic.reshape(*graph.species.shape, -1)
        return jnp.sum(atomic, axis=1, dtype=jnp.result_type(float))

    def physical(self, params: Params, graph: Graph, vectors: jax.Array) -> jax.Array:
        """Energies (b,) of all corrections, which members have in common."""
        config, dtype = self.config, self.config.precision.dtype("energy")
        edges = self.edges(graph, vectors)._replace(
            vectors=vectors.reshape(-1, vectors.shape[-2], 3).astype(dtype)
        )
        weights = params["weights"]["corrections"]
        atomic = jnp.zeros(len(edges.receiver), jnp.result_type(float))
        for correction in config.corrections:
            atomic += correction.energies(weights[correction.name], edges, config.elements)
        return jnp.sum(atomic.reshape(graph.species.shape), axis=1)

    def properties(self, params: Params, graph: Graph) -> dict[str, jax.Array]:
        """Values of all heads; the first member of a full ensemble describes the atoms."""
        if not self.config.heads:
            return {}
        learned, constants = split_members(params)
        if self.config.full:
            learned, constants = jax.tree.map(lambda leaf: leaf[0], (learned, constants))
        edges = self.edges(graph, graph.vectors)
        described = self.describe(learned["representation"], edges, equivariant=True)
        scalars = (described.scalars - constants["feature_mean"]) / constants["feature_scale"]
        described = described._replace(scalars=scalars)
        weights = params["weights"]["heads"]
        with jax.default_matmul_precision("highest"):
            return {
                head.name: head.values(weights[head.name], described, graph.species)
                for head in self.config.heads
            }


def split_members(params: Params) -> tuple[Params, Params]:
    """What members of a full ensemble have of their own: weights and constants."""
    weights, constants = params["weights"], params["constants"]
    learned = {name: weights[name] for name in ("representation", "layers")}
    return learned, {name: constants[name] for name in ("feature_mean", "feature_scale")}


def take_species(values: jax.Array, species: jax.Array) -> jax.Array:
    """Values (n_elements, ...) of each atom, zero for padding (-1)."""
    one_hot = jax.nn.one_hot(species, len(values), dtype=values.dtype)
    return jnp.matmul(one_hot, values, precision="highest")
