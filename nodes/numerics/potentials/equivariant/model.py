"""EquivariantMessages: atoms that pass each other messages which turn with the structure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from nodes.numerics.potentials.drawing import truncated_normal
from nodes.numerics.potentials.equivariant.coupling import Irrep, Path, coupling_paths, irreps_of
from nodes.numerics.potentials.equivariant.harmonics import (
    MAX_DEGREE,
    matrices_of,
    spherical_harmonics,
    vectors_of,
)
from nodes.numerics.potentials.equivariant.messages import Features, messages
from nodes.numerics.potentials.radial import Bessel, Gaussian
from nodes.numerics.potentials.representation import Description, Edges, Weights

__all__ = ["EquivariantMessages"]

_SCALAR = Irrep(0, 1)


@dataclass(frozen=True)
class EquivariantMessages:
    """Message passing with features of several degrees, as built with e3x.

    Unke & Maennel, arXiv:2401.07595 (2024). Atoms begin with an embedding of their element. In
    each iteration every atom adds what its neighbours send to what it knows, refines the sum by
    two linear maps with a gated activation in between, and adds that to its features. Only
    scalars come out of the last iteration, and vectors and matrices if they are asked for.

    Parameters
    ----------
    features : int
        Channels of each irrep; the number of scalars that a readout sees.
    max_degree : int
        Highest degree of harmonics and features, 0 to 3.
    n_iterations : int
        How many times messages are passed. An atom sees as many cutoffs far.
    basis : Bessel or Gaussian
        Radial functions.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    name: ClassVar[str] = "equivariant-messages"
    features: int = 32
    max_degree: int = 2
    n_iterations: int = 1
    basis: Bessel | Gaussian = Bessel()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        for name in ("features", "n_iterations"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, received {getattr(self, name)}")
        if not 0 <= self.max_degree <= MAX_DEGREE:
            raise ValueError(f"max_degree must be 0 to {MAX_DEGREE}, received {self.max_degree}")

    @property
    def n_features(self) -> int:
        """Number of scalars per atom."""
        return self.features

    def sources(self, iteration: int) -> tuple[Irrep, ...]:
        """Irreps that atoms have before an iteration: what products can make of scalars."""
        if iteration == 0:
            return (_SCALAR,)
        before, irreps = self.sources(iteration - 1), irreps_of(self.max_degree)
        made = {path.target for path in coupling_paths(self.max_degree, before, irreps)}
        return tuple(irrep for irrep in irreps if irrep in made.union(before))

    def kept(self, iteration: int) -> tuple[Irrep, ...]:
        """Irreps that atoms have after an iteration, only scalars after the last."""
        return (_SCALAR,) if iteration == self.n_iterations - 1 else self.sources(iteration + 1)

    def paths(self, iteration: int) -> tuple[Path, ...]:
        """Products that make the messages of an iteration."""
        return coupling_paths(self.max_degree, self.sources(iteration), self.kept(iteration))

    def tensor_paths(self) -> tuple[Path, ...]:
        """Products of the last iteration that make vectors and matrices."""
        targets = irreps_of(self.max_degree)[1 : min(2, self.max_degree) + 1]
        return coupling_paths(self.max_degree, self.sources(self.n_iterations - 1), targets)

    def init(self, key: jax.Array, *, n_elements: int, cutoff: float, dtype: Any) -> Weights:
        """Random weights: truncated normal, such that variances are kept."""
        del cutoff
        keys = iter(jax.random.split(key, 2 + 4 * self.n_iterations))
        width = self.features

        def normal(shape: tuple[int, ...], fan_in: int) -> jax.Array:
            return truncated_normal(next(keys), shape, dtype) / math.sqrt(fan_in)

        def tensor(paths: tuple[Path, ...]) -> jax.Array:
            targets = [path.target for path in paths]
            fans = jnp.array([targets.count(target) for target in targets], dtype)
            return normal((len(paths), width), 1) / jnp.sqrt(fans)[:, None]

        iterations = []
        for index in range(self.n_iterations):
            n_irreps = len(self.kept(index))
            iterations.append(
                {
                    "filter": normal(
                        (self.max_degree + 1, self.basis.n_basis, width), self.basis.n_basis
                    ),
                    "tensor": tensor(self.paths(index)),
                    "inner": normal((n_irreps, width, width), width),
                    "outer": normal((n_irreps, width, width), width),
                    "inner_bias": jnp.zeros(width, dtype),
                    "outer_bias": jnp.zeros(width, dtype),
                }
            )
        return {
            "embedding": normal((n_elements, width), width),
            "iterations": iterations,
            "tensors": tensor(self.tensor_paths()),
        }

    def describe(
        self, weights: Weights, edges: Edges, *, cutoff: float, equivariant: bool = False
    ) -> Description:
        """Features of each atom; see `nodes.numerics.potentials.representation`."""
        radial, harmonics = self._geometry(edges, cutoff)
        atoms: Features = {_SCALAR: _rows(weights["embedding"], edges.receiver)[:, None]}
        tensors: Features = {}
        for index, step in enumerate(weights["iterations"]):

            def send(paths: tuple[Path, ...], scales: jax.Array) -> Features:
                filters = self._filters(step["filter"], radial, cutoff, paths)  # noqa: B023
                sent = {path.source: atoms[path.source] for path in paths}  # noqa: B023
                return messages(paths, edges.neighbor, scales, filters, harmonics, sent)

            received = send(self.paths(index), step["tensor"])
            if equivariant and index == self.n_iterations - 1 and self.max_degree > 0:
                tensors = send(self.tensor_paths(), weights["tensors"])
                tensors = {irrep: v + atoms.get(irrep, 0.0) for irrep, v in tensors.items()}
            atoms = _refine(step, {irrep: atoms.get(irrep) for irrep in self.kept(index)}, received)
        present = (edges.receiver >= 0)[:, None]
        scalars = jnp.where(present, atoms[_SCALAR][:, 0], 0.0)
        return _description(scalars, tensors)

    def _geometry(self, edges: Edges, cutoff: float) -> tuple[jax.Array, list[jax.Array]]:
        """Elementary radial functions (n, k, c), zero in empty slots, and harmonics."""
        components = [edges.vectors[..., i] for i in range(3)]
        squared = sum((c * c for c in components), start=jnp.zeros_like(components[0]))
        active = (edges.sender >= 0) & (squared > 0.0) & (squared < cutoff**2)
        # Idle slots hold a constant, so that values and derivatives are zero, never NaN.
        r = jnp.sqrt(jnp.where(active, squared, 0.25 * cutoff**2))
        unit = [jnp.where(active, c, 0.0) / r for c in components]
        radial = self.basis.elementary(r, cutoff) * _smoothing(r, cutoff)[:, None]
        # Atoms and slots go first, so that filters are one large matrix product.
        radial = jnp.swapaxes(jnp.where(active[:, None], radial, 0.0), 1, 2)
        return radial, spherical_harmonics(unit, self.max_degree)

    def _filters(
        self, weights: jax.Array, radial: jax.Array, cutoff: float, paths: Sequence[Path]
    ) -> list[jax.Array]:
        """Learned functions of the distance (n, k, f) by degree, up to the highest needed."""
        combination = jnp.asarray(self.basis.combination(cutoff), weights.dtype)
        highest = max(path.degree for path in paths)
        return [radial @ (combination.T @ weights[degree]) for degree in range(highest + 1)]


def _rows(table: jax.Array, species: jax.Array) -> jax.Array:
    """Rows of a table by species, zeros for -1."""
    return jax.nn.one_hot(species, len(table), dtype=table.dtype) @ table


def _smoothing(r: jax.Array, cutoff: float) -> jax.Array:
    """Turn the cosine cutoff into exp(1 - 1 / (1 - (r / cutoff)^2)), smooth to all orders."""
    s = r / cutoff
    inside = s < 0.9999
    s = jnp.where(inside, s, 0.5)
    ratio = jnp.exp(1.0 - 1.0 / (1.0 - s * s)) / jnp.cos(0.5 * jnp.pi * s) ** 2
    return jnp.where(inside, ratio, 0.0)


def _refine(step: dict[str, jax.Array], atoms: dict[Irrep, Any], received: Features) -> Features:
    """Add messages to features, and the outcome of a small gated network to these."""

    def linear(values: Features, weight: jax.Array, bias: jax.Array) -> Features:
        mixed = {i: values[i] @ w for i, w in zip(atoms, weight, strict=True)}
        return mixed | {_SCALAR: mixed[_SCALAR] + bias}

    known = {i: jnp.zeros_like(received[i]) if v is None else v for i, v in atoms.items()}
    total = {i: v + received[i] for i, v in known.items()}
    inner = linear(total, step["inner"], step["inner_bias"])
    gate = jax.nn.sigmoid(inner[_SCALAR])
    outer = linear({i: gate * v for i, v in inner.items()}, step["outer"], step["outer_bias"])
    return {irrep: v + outer[irrep] for irrep, v in known.items()}


def _description(scalars: jax.Array, tensors: Features) -> Description:
    vectors = matrices = None
    if Irrep(1, -1) in tensors:
        vectors = vectors_of(tensors[Irrep(1, -1)])
    if Irrep(2, 1) in tensors:
        identity = jnp.eye(3, dtype=scalars.dtype)
        matrices = matrices_of(tensors[Irrep(2, 1)]) + scalars[:, :, None, None] * identity
    return Description(scalars, vectors, matrices)
