"""Further properties of atoms and structures, predicted from the same features.

- `records`: Head, what such a part must offer.
- `property`: PropertyHead, a network of its own.
"""

from nodes.numerics.potentials.heads.property import PropertyHead
from nodes.numerics.potentials.heads.records import Head

__all__ = ["Head", "PropertyHead"]
