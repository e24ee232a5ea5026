"""EnergyModel: energies, forces, virial and their uncertainty from one graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.potentials.config import ModelConfig
from nodes.numerics.potentials.corrections import corrections_of
from nodes.numerics.potentials.descriptor import gaussian_moments, invariants
from nodes.numerics.potentials.graph import Graph, build_graph, build_graphs
from nodes.numerics.potentials.readout import hidden_features, init_layers, last_layer
from nodes.numerics.structures import Structure

__all__ = ["EnergyModel", "Evaluation", "Params", "Prediction"]

Params = dict[str, Any]
"""``weights``: what a fit learns (radial, layers, scale, shift). ``constants``: what it sets
beforehand (reference: eV per element in float64 NumPy; feature_mean, feature_scale)."""


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
    """

    energies: jax.Array
    forces: jax.Array
    virial: jax.Array
    member_forces: jax.Array | None


@dataclass(frozen=True)
class Prediction:
    """Prediction for one structure, in NumPy.

    Attributes
    ----------
    energy : float, eV
        Mean over members, reference energies included.
    forces : (n, 3), eV/Angstrom
        Exactly minus the gradient of ``energy``.
    virial : (3, 3), eV
        dE/d(strain); symmetric.
    stress : (3, 3), eV/Angstrom^3, or None
        virial / volume (positive under tension); None unless fully periodic.
    energy_std : float, eV
        Standard deviation over members (n_members - 1 in the denominator); 0 for one member.
    forces_std : (n, 3), eV/Angstrom, or None
        The same of each force component, if asked for.
    """

    energy: float
    forces: np.ndarray
    virial: np.ndarray
    stress: np.ndarray | None
    energy_std: float
    forces_std: np.ndarray | None = None


@dataclass(frozen=True)
class EnergyModel:
    """A potential as pure functions of parameters and graphs.

    Examples
    --------
    >>> model = EnergyModel(ModelConfig(elements=(29,), hidden=(16,)))
    >>> params = model.init(jax.random.key(0))
    >>> graph = model.graph(structure)
    >>> model.predict(params, graph).forces
    """

    config: ModelConfig

    def init(self, key: jax.Array) -> Params:
        """Random parameters in JAX's default float type."""
        config, dtype = self.config, jnp.result_type(float)
        radial_key, layers_key = jax.random.split(key)
        n_elements = len(config.elements)
        shape = (n_elements, n_elements, config.n_radial, config.n_basis)
        radial = jax.random.normal(radial_key, shape, dtype) / config.n_basis**0.5
        n_features = self.n_features
        return {
            "weights": {
                "radial": radial,
                "layers": init_layers(layers_key, (n_features, *config.hidden, config.n_members)),
                "scale": jnp.ones(n_elements, dtype),
                "shift": jnp.zeros(n_elements, dtype),
            },
            "constants": {
                "reference": np.zeros(n_elements),
                "feature_mean": jnp.zeros(n_features, dtype),
                "feature_scale": jnp.ones(n_features, dtype),
            },
        }

    @property
    def n_features(self) -> int:
        """Number of invariants per atom."""
        s = self.config.n_radial
        sizes = [s, s**2, s**2, s**2, s**3, s**3, s**3, s**3]
        return sum(sizes[: self.config.n_contractions])

    def graph(self, structure: Structure) -> Graph:
        """Graph of one structure (see `build_graph`)."""
        return build_graph(structure, self.config)

    def features(self, params: Params, graph: Graph) -> jax.Array:
        """Invariants of each atom before normalisation, shape (..., n, n_features)."""
        return _features(self, params, _with_batch_axis(graph)).reshape(*graph.species.shape, -1)

    def energies(self, params: Params, graph: Graph) -> jax.Array:
        """Energy of each member in eV, reference energies included, shape (..., n_members).

        In JAX's float type: for large absolute energies in float32 prefer `predict`, which adds
        the reference energies in float64 on the host.
        """
        energies = _energies(self, params, _with_batch_axis(graph))
        return energies.reshape(*graph.species.shape[:-1], -1)

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
        energies, pull_back = jax.vjp(partial(self._learned, params, graph), graph.vectors)
        (gradient,) = pull_back(jnp.full_like(energies, 1.0 / n_members))
        common = jnp.zeros_like(gradient)
        if corrections_of(self.config):
            extra, pull_back_extra = jax.vjp(partial(self._corrections, graph), graph.vectors)
            (common,) = pull_back_extra(jnp.ones_like(extra))
            energies += extra[:, None]
        gradient += common
        virial = jnp.einsum("bnki,bnkj->bij", gradient, graph.vectors, precision="highest")
        member_forces = None
        if members:
            each = jnp.eye(n_members, dtype=energies.dtype)[:, None, :]
            each = jnp.broadcast_to(each, (n_members, *energies.shape))
            member_forces = jax.vmap(lambda c: _forces(pull_back(c)[0] + common, graph))(each)
        symmetric = 0.5 * (virial + jnp.swapaxes(virial, -1, -2))
        return Evaluation(energies, _forces(gradient, graph), symmetric, member_forces)

    def reference_energy(self, params: Params, species: np.ndarray) -> np.ndarray:
        """Sum of reference energies in float64, eV; species (..., n), -1 for padding."""
        reference = np.append(np.asarray(params["constants"]["reference"], np.float64), 0.0)
        return np.sum(reference[np.asarray(species)], axis=-1)

    def predict(self, params: Params, graph: Graph, *, forces_std: bool = False) -> Prediction:
        """Prediction for the graph of one structure (without a batch axis)."""
        return self._predictions(params, _with_batch_axis(graph), forces_std)[0]

    def predict_many(
        self,
        params: Params,
        structures: Sequence[Structure],
        *,
        batch_size: int = 8,
        forces_std: bool = False,
    ) -> list[Prediction]:
        """Predictions for structures of any size, in batches of one compiled shape."""
        predictions: list[Prediction] = []
        for batch, count in self._batches(structures, batch_size):
            predictions += self._predictions(params, batch, forces_std)[:count]
        return [
            _trim(prediction, len(structure))
            for prediction, structure in zip(predictions, structures, strict=True)
        ]

    def last_layer_features(self, params: Params, graph: Graph) -> jax.Array:
        """Gradient of the mean energy by weights and bias of a (mean) last layer.

        Returns
        -------
        (..., n_hidden + 1)
            Summed over atoms: one row per structure.
        """
        features = _last_layer_features(self, params, _with_batch_axis(graph))
        return features.reshape(*graph.species.shape[:-1], -1)

    def last_layer_features_many(
        self, params: Params, structures: Sequence[Structure], *, batch_size: int = 8
    ) -> np.ndarray:
        """The same for structures of any size, shape (n_structures, n_hidden + 1)."""
        rows = [
            np.asarray(_last_layer_features(self, params, batch))[:count]
            for batch, count in self._batches(structures, batch_size)
        ]
        return np.concatenate(rows)

    def _batches(self, structures: Sequence[Structure], batch_size: int) -> list[tuple[Graph, int]]:
        """Graphs of equal shape, and how many structures of each are real."""
        graphs = build_graphs(structures, self.config)
        batch_size = min(batch_size, len(structures))
        batches: list[tuple[Graph, int]] = []
        for start in range(0, len(structures), batch_size):
            pick = np.arange(start, start + batch_size)
            count = int(np.sum(pick < len(structures)))
            pick = np.minimum(pick, len(structures) - 1)
            batches.append((jax.tree.map(lambda leaf, pick=pick: leaf[pick], graphs), count))
        return batches

    def _predictions(self, params: Params, batch: Graph, forces_std: bool) -> list[Prediction]:  # noqa: FBT001
        ensemble = self.config.n_members > 1
        result = jax.device_get(_evaluate(self, params, batch, forces_std and ensemble))
        energy = np.mean(result.energies.astype(np.float64), axis=-1)
        energy += self.reference_energy(params, np.asarray(batch.species))
        spread = np.std(result.energies, axis=-1, ddof=1) if ensemble else np.zeros(len(energy))
        force_spread = None
        if forces_std:
            members = result.member_forces
            force_spread = (
                np.zeros_like(result.forces) if members is None else members.std(axis=0, ddof=1)
            )
        volume = np.asarray(batch.volume)
        return [
            Prediction(
                energy=float(energy[b]),
                forces=result.forces[b],
                virial=result.virial[b],
                stress=result.virial[b] / volume[b] if np.isfinite(volume[b]) else None,
                energy_std=float(spread[b]),
                forces_std=None if force_spread is None else force_spread[b],
            )
            for b in range(len(energy))
        ]

    def _edges(self, graph: Graph, vectors: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Flatten the batch: vectors (b n, k, 3) and one-hot species of both ends."""
        n_elements, k = len(self.config.elements), vectors.shape[-2]
        receiver = jax.nn.one_hot(graph.species.reshape(-1), n_elements, dtype=vectors.dtype)
        sender = graph.neighbor_species.reshape(-1, k)
        sender = jax.nn.one_hot(sender, n_elements, dtype=vectors.dtype)
        return vectors.reshape(-1, k, 3), receiver, sender

    def _invariants(
        self, params: Params, vectors: jax.Array, receiver: jax.Array, sender: jax.Array
    ) -> jax.Array:
        radial = params["weights"]["radial"]
        moments = gaussian_moments(vectors, receiver, sender, radial, self.config.cutoff_angstrom)
        return invariants(moments, self.config.n_contractions)

    def _hidden(
        self, params: Params, vectors: jax.Array, receiver: jax.Array, sender: jax.Array
    ) -> jax.Array:
        constants = params["constants"]
        features = self._invariants(params, vectors, receiver, sender)
        features = (features - constants["feature_mean"]) / constants["feature_scale"]
        return hidden_features(params["weights"]["layers"], features)

    def _learned(self, params: Params, graph: Graph, vectors: jax.Array) -> jax.Array:
        """Energies (b, n_members) without reference energies; padded atoms give zero.

        Atomic energies are summed in float64 where JAX allows it.
        """
        weights = params["weights"]
        with jax.default_matmul_precision("highest"):
            edges = self._edges(graph, vectors)
            outputs = last_layer(weights["layers"], self._hidden(params, *edges))
            receiver = edges[1]
            atomic = (receiver @ weights["scale"])[:, None] * outputs
            atomic += (receiver @ weights["shift"])[:, None]
        atomic = atomic.reshape(*graph.species.shape, -1)
        return jnp.sum(atomic, axis=1, dtype=jnp.result_type(float))

    def _corrections(self, graph: Graph, vectors: jax.Array) -> jax.Array:
        """Energies (b,) that all members have in common."""
        edges = self._edges(graph, vectors)
        atomic = jnp.zeros(len(edges[0]), jnp.result_type(float))
        for correction in corrections_of(self.config):
            atomic += correction(*edges)
        return jnp.sum(atomic.reshape(graph.species.shape), axis=1)


def _forces(gradient: jax.Array, graph: Graph) -> jax.Array:
    """Forces (b, n, 3) from the energy's gradient by edge vectors (b, n, k, 3).

    Atom i pulls on its own edges and is pulled by their reverses: F_i = sum_k (g_ik - g_rev(ik)).
    """
    flat = gradient.reshape(gradient.shape[0], -1, 3)
    slots = graph.reverse.reshape(flat.shape[0], -1, 1)
    reverse = jnp.take_along_axis(flat, slots, axis=1, mode="promise_in_bounds")
    return jnp.sum(gradient - reverse.reshape(gradient.shape), axis=2)


def _with_batch_axis(graph: Graph) -> Graph:
    return graph if graph.species.ndim == 2 else jax.tree.map(lambda leaf: leaf[None], graph)


def _trim(prediction: Prediction, n_atoms: int) -> Prediction:
    std = prediction.forces_std
    return Prediction(
        energy=prediction.energy,
        forces=prediction.forces[:n_atoms],
        virial=prediction.virial,
        stress=prediction.stress,
        energy_std=prediction.energy_std,
        forces_std=None if std is None else std[:n_atoms],
    )


@partial(jax.jit, static_argnums=(0, 3))
def _evaluate(model: EnergyModel, params: Params, batch: Graph, members: bool) -> Evaluation:  # noqa: FBT001
    return model.evaluate(params, batch, members=members)


@partial(jax.jit, static_argnums=0)
def _energies(model: EnergyModel, params: Params, batch: Graph) -> jax.Array:
    energies = model._learned(params, batch, batch.vectors)
    energies += model._corrections(batch, batch.vectors)[:, None]
    present = jax.nn.one_hot(batch.species, len(model.config.elements), dtype=energies.dtype)
    reference = jnp.asarray(params["constants"]["reference"], energies.dtype)
    return energies + jnp.sum(present @ reference, axis=-1)[:, None]


@partial(jax.jit, static_argnums=0)
def _features(model: EnergyModel, params: Params, batch: Graph) -> jax.Array:
    with jax.default_matmul_precision("highest"):
        return model._invariants(params, *model._edges(batch, batch.vectors))


@partial(jax.jit, static_argnums=0)
def _last_layer_features(model: EnergyModel, params: Params, batch: Graph) -> jax.Array:
    with jax.default_matmul_precision("highest"):
        edges = model._edges(batch, batch.vectors)
        hidden = model._hidden(params, *edges)
        scale = edges[1] @ params["weights"]["scale"]
        rows = jnp.concatenate([hidden, jnp.ones_like(hidden[:, :1])], axis=-1) * scale[:, None]
    return jnp.sum(rows.reshape(*batch.species.shape, -1), axis=1)
