"""Equivariant message passing: features of atoms that turn with the structure.

- `harmonics`: real spherical harmonics of edge directions; vectors and matrices from them.
- `coupling`: Clebsch-Gordan coefficients and the allowed products of features.
- `messages`: products of features, filters and harmonics, summed over neighbours.
- `model`: EquivariantMessages, the representation.
- `e3x`: weights of models that were trained with e3x.
"""

from nodes.numerics.potentials.equivariant.e3x import from_e3x_parameters
from nodes.numerics.potentials.equivariant.model import EquivariantMessages

__all__ = ["EquivariantMessages", "from_e3x_parameters"]
