"""Machine-learned potentials: Gaussian moments read out by a shallow ensemble.

- `config`: ModelConfig, everything that fixes the shape of a model.
- `graph`: Graph, what a model sees: species and edge vectors, padded and batched.
- `descriptor`: radial basis, Gaussian moments and their rotational invariants.
- `readout`: the neural network whose last layer holds the members of the ensemble.
- `corrections`: physical terms added to the learned energy (ZBL repulsion).
- `model`: EnergyModel, which joins them: energies, forces, virial, uncertainty.
- `storage`: save_model and load_model.
"""

from nodes.numerics.potentials.config import ModelConfig
from nodes.numerics.potentials.graph import Graph, build_graph, build_graphs
from nodes.numerics.potentials.model import EnergyModel, Evaluation, Params, Prediction
from nodes.numerics.potentials.storage import load_model, save_model

__all__ = [
    "EnergyModel", "Evaluation", "Graph", "ModelConfig", "Params", "Prediction", "build_graph",
    "build_graphs", "load_model", "save_model",
]  # fmt: skip
