"""Physical terms that are added to the learned energy.

- `records`: Correction, what such a term must offer.
- `pairs`: distances of pairs that are close.
- `zbl`: repulsion of screened nuclei.
- `exponential`: repulsion with trained numbers of each element.
"""

from nodes.numerics.potentials.corrections.exponential import ExponentialRepulsion
from nodes.numerics.potentials.corrections.records import Correction
from nodes.numerics.potentials.corrections.zbl import Zbl

__all__ = ["Correction", "ExponentialRepulsion", "Zbl"]
