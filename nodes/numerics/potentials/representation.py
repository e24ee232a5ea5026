"""What a model's first part must offer: it turns edges into features of atoms."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax

__all__ = ["Description", "Edges", "Representation", "Weights"]

Weights = Any
"""Nested dicts, lists and tuples of arrays."""


class Edges(NamedTuple):
    """Edges of a batch, whose N atoms are joined into one axis; k slots per atom.

    Attributes
    ----------
    vectors : (N, k, 3), Angstrom
        From the receiver to the sender; empty slots point beyond the cutoff.
    receiver : (N,) int
        Species index; -1 marks a padding atom.
    sender : (N, k) int
        Species index; -1 marks an empty slot.
    neighbor : (N, k) int
        Which of the N atoms the sender is; the receiver itself in an empty slot.
    """

    vectors: jax.Array
    receiver: jax.Array
    sender: jax.Array
    neighbor: jax.Array


class Description(NamedTuple):
    """Features of N atoms.

    Attributes
    ----------
    scalars : (N, n_features)
        Invariant under rotation and reflection.
    vectors : (N, c, 3) or None
        Turn with the structure.
    matrices : (N, d, 3, 3) or None
        Symmetric, turn with the structure.
    """

    scalars: jax.Array
    vectors: jax.Array | None = None
    matrices: jax.Array | None = None


@runtime_checkable
class Representation(Protocol):
    """A frozen dataclass that says and does how features are made.

    Attributes
    ----------
    name : str
        Stands for the class in saved models.
    """

    name: ClassVar[str]

    @property
    def n_features(self) -> int:
        """Number of scalars per atom."""
        ...

    def init(self, key: jax.Array, *, n_elements: int, cutoff: float, dtype: Any) -> Weights:
        """Random weights."""
        ...

    def describe(
        self, weights: Weights, edges: Edges, *, cutoff: float, equivariant: bool = False
    ) -> Description:
        """Features of each atom; they depend on positions through ``edges.vectors`` alone.

        Empty slots and padding atoms contribute nothing and have finite derivatives. Vectors and
        matrices are made if ``equivariant``.
        """
        ...
