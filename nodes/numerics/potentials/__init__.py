"""Machine-learned potentials: representation | readout | scale and shift | corrections.

- `config`: ModelConfig, everything that fixes the shape of a model.
- `graph`: Graph, what a model sees: species and edge vectors, padded and batched.
- `representation`: what a model's first part must offer.
- `gaussian_moments`, `invariants`, `radial`: Gaussian moments and their contractions.
- `equivariant`: message passing with features that turn with the structure.
- `readout`: the neural network whose last layer holds the members of an ensemble.
- `corrections`: physical terms added to the learned energy.
- `heads`: further properties of atoms and structures.
- `precision`: float types of the parts.
- `model`: EnergyModel, which joins them: energies, forces, virial.
- `prediction`: the same for many structures, on the host, with uncertainty.
- `storage`: save_model and load_model.
"""

from nodes.numerics.potentials.config import ModelConfig
from nodes.numerics.potentials.corrections import ExponentialRepulsion, Zbl
from nodes.numerics.potentials.equivariant import EquivariantMessages
from nodes.numerics.potentials.gaussian_moments import GaussianMoments
from nodes.numerics.potentials.graph import Graph, build_graph, build_graphs
from nodes.numerics.potentials.heads import PropertyHead
from nodes.numerics.potentials.model import EnergyModel, Evaluation, Params
from nodes.numerics.potentials.precision import Precision
from nodes.numerics.potentials.prediction import Prediction
from nodes.numerics.potentials.radial import Bessel, Gaussian
from nodes.numerics.potentials.readout import Readout
from nodes.numerics.potentials.storage import load_model, save_model

__all__ = [
    "Bessel", "EnergyModel", "EquivariantMessages", "Evaluation", "ExponentialRepulsion",
    "Gaussian", "GaussianMoments", "Graph", "ModelConfig", "Params", "Precision", "Prediction",
    "PropertyHead", "Readout", "Zbl", "build_graph", "build_graphs", "load_model", "save_model",
]  # fmt: skip
