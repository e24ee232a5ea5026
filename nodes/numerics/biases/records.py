"""What a bias must offer."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax

__all__ = ["Bias", "BiasedSystem"]


class BiasedSystem(NamedTuple):
    """What a bias sees of b structures, besides the energies.

    Attributes
    ----------
    present : (b, n) bool
        False for padding atoms.
    reference : (b,), eV
        Sum of the reference energies, which the energies do not include.
    positions : (b, n, 3), Angstrom, or None
        Only if the bias needs them.
    """

    present: jax.Array
    reference: jax.Array
    positions: jax.Array | None = None


@runtime_checkable
class Bias(Protocol):
    """A frozen dataclass of numbers that says and does how a potential is changed.

    Attributes
    ----------
    name : str
        Stands for the class.
    needs_members : bool
        Whether it asks for an ensemble of at least two members.
    needs_positions : bool
        Whether it depends on positions other than through the energies.
    """

    name: ClassVar[str]
    needs_members: ClassVar[bool]
    needs_positions: ClassVar[bool]

    @property
    def spread(self) -> tuple[Any, Any] | None:
        """Factors on the deviations of members from their mean, of energies and forces."""
        ...

    def energy(self, energies: jax.Array, system: BiasedSystem) -> jax.Array:
        """Energy that is added, (b,) in eV.

        Parameters
        ----------
        energies : (b, n_members), eV
            Of the potential, without reference energies and other biases.
        system : BiasedSystem
        """
        ...
