"""What a head must offer: it predicts a further property from the features of atoms."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import jax

from nodes.numerics.potentials.representation import Description, Weights

__all__ = ["Head"]


@runtime_checkable
class Head(Protocol):
    """A frozen dataclass that says and does how a property is predicted.

    Attributes
    ----------
    name : str
        Of the property.
    n_members : int
        Of its ensemble; 1 for none.
    of_atoms : bool
        Whether each atom has a value, or only the structure.
    """

    @property
    def name(self) -> str:
        """Name of the property."""
        ...

    @property
    def n_members(self) -> int:
        """Number of values that an ensemble gives; 1 if there is no ensemble."""
        ...

    @property
    def of_atoms(self) -> bool:
        """Whether each atom has a value."""
        ...

    def init(
        self, key: jax.Array, description: Description, n_elements: int, dtype: Any
    ) -> Weights:
        """Random weights; ``description`` holds shapes (as of `jax.eval_shape`)."""
        ...

    def values(self, weights: Weights, description: Description, species: jax.Array) -> jax.Array:
        """Values of a batch of b structures with n atoms each.

        Parameters
        ----------
        description : Description
            Of b n atoms; scalars are normalised.
        species : (b, n) int
            Index of the element; -1 for padding atoms, which must not count.

        Returns
        -------
        (b, ...) for a property of structures, (b, n, ...) for one of atoms
            With a last axis of members if the head is an ensemble.
        """
        ...
