"""From labelled structures to the parameters of a model.

- `config`: FitConfig, how to train.
- `baseline`: what is set before training: reference energies, scales, feature statistics.
- `packing`: structures as padded arrays on the device.
- `losses`: MSE, Huber, CRPS and Gaussian negative log-likelihood.
- `epoch`: one epoch of training and validation as one compiled function.
- `checkpoint`: exact resume.
- `loop`: fit(), which joins them.
- `calibration`: bring the spread of an ensemble to the size of its errors.
"""

from nodes.numerics.fit.calibration import calibrate_forces
from nodes.numerics.fit.config import FitConfig
from nodes.numerics.fit.epoch import EpochMetrics
from nodes.numerics.fit.loop import FitResult, fit

__all__ = ["EpochMetrics", "FitConfig", "FitResult", "calibrate_forces", "fit"]
