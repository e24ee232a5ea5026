"""From labelled structures to the parameters of a model.

- `config`: FitConfig, how to train; with it `schedules` of learning rates, and `scale_shift`,
  the methods for reference energies and scales.
- `shapes`, `packing`: structures as padded arrays of a few shapes.
- `baseline`: what is set before training.
- `parameters`, `transfer`: names of weights; what to take from another model.
- `losses`, `objective`: the loss of a batch and its gradient.
- `optimizers`: from gradients to new weights.
- `plan`, `epoch`, `runner`: the order of an epoch, its compiled loops, and how they are run.
- `placement`: devices and memory.
- `metrics`: what is told of an epoch.
- `checkpoint`: exact resume.
- `loop`: fit(), which joins them.
- `calibration`: bring the spread of an ensemble to the size of its errors.
"""

from nodes.numerics.fit.calibration import calibrate_forces
from nodes.numerics.fit.config import FitConfig, Loss, Optimizer, Transfer
from nodes.numerics.fit.loop import FitResult, fit
from nodes.numerics.fit.metrics import EpochMetrics
from nodes.numerics.fit.parameters import parameter_names
from nodes.numerics.fit.scale_shift import (
    ElementEnergies,
    ElementScales,
    EnergyRms,
    ForceRms,
    GlobalScale,
    MeanAtomEnergy,
    Regression,
)
from nodes.numerics.fit.schedules import Constant, CyclicCosine, Linear, Plateau, WarmupCosine

__all__ = [
    "Constant", "CyclicCosine", "ElementEnergies", "ElementScales", "EnergyRms", "EpochMetrics",
    "FitConfig", "FitResult", "ForceRms", "GlobalScale", "Linear", "Loss", "MeanAtomEnergy",
    "Optimizer", "Plateau", "Regression", "Transfer", "WarmupCosine", "calibrate_forces", "fit",
    "parameter_names",
]  # fmt: skip
