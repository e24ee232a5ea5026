"""What a physical correction must offer."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

import jax

from nodes.numerics.potentials.representation import Edges, Weights

__all__ = ["Correction"]


@runtime_checkable
class Correction(Protocol):
    """A frozen dataclass that says and does what is added.

    Attributes
    ----------
    name : str
        Stands for the class in saved models and for its weights in parameters.
    """

    name: ClassVar[str]

    def init(self, elements: tuple[int, ...], dtype: Any) -> Weights:
        """Numbers that a fit may change; {} if there are none."""
        ...

    def energies(self, weights: Weights, edges: Edges, elements: tuple[int, ...]) -> jax.Array:
        """Share of each atom in eV, shape (N,); zero for padding atoms."""
        ...
