"""Biases: what is added to a potential to drive a simulation, or corrects its uncertainty.

- `records`: Bias, what one must offer.
- `uncertainty`: UncertaintyBias, towards structures that an ensemble does not know.
- `acceleration`: GaussianAcceleration, out of deep minima.
- `wall`: SphericalWall, which keeps atoms together.
- `calibration`: Calibration, factors on the spread of an ensemble.
- `evaluation`: biased_evaluate, energies, forces and virial with biases, from one backward pass.
- `prediction`: the same on the host.
"""

from nodes.numerics.biases.acceleration import GaussianAcceleration
from nodes.numerics.biases.calibration import Calibration
from nodes.numerics.biases.evaluation import biased_evaluate, check_biases
from nodes.numerics.biases.prediction import predict_biased, predict_one_biased
from nodes.numerics.biases.records import Bias, BiasedSystem
from nodes.numerics.biases.uncertainty import UncertaintyBias
from nodes.numerics.biases.wall import SphericalWall

__all__ = [
    "Bias", "BiasedSystem", "Calibration", "GaussianAcceleration", "SphericalWall",
    "UncertaintyBias", "biased_evaluate", "check_biases", "predict_biased",
    "predict_one_biased",
]  # fmt: skip
