"""Bring the spread of an ensemble to the size of its errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.potentials.readout import scale_spread
from nodes.numerics.structures import Structure

__all__ = ["calibrate_forces"]


def calibrate_forces(
    model: EnergyModel, params: Params, structures: Sequence[Structure]
) -> tuple[Params, float]:
    """Scale the spread of the members such that normalised force errors have unit variance.

    The factor is sqrt(mean((error / std)^2)) over force components, the maximum of the Gaussian
    likelihood. It is applied to the last layer, so that energies and forces keep their mean and
    the members remain the gradients of their energies.

    Parameters
    ----------
    structures : sequence of Structure
        Held out, with forces.

    Returns
    -------
    Params
    float
        The factor.

    Raises
    ------
    ValueError
        If the model has one member or no structure has forces.
    """
    labelled = [s for s in structures if s.forces is not None]
    if model.config.n_members < 2 or not labelled:
        raise ValueError(
            f"calibration must have an ensemble and structures with forces, received "
            f"{model.config.n_members} members and {len(labelled)} structures with forces"
        )
    predictions = model.predict_many(params, labelled, forces_std=True)
    ratios = [
        (p.forces - s.forces) / np.maximum(p.forces_std, 1e-6)
        for p, s in zip(predictions, labelled, strict=True)
        if p.forces_std is not None
    ]
    factor = float(np.sqrt(np.mean(np.concatenate(ratios) ** 2)))
    weights = params["weights"]
    layers = scale_spread(weights["layers"], factor)
    return {**params, "weights": {**weights, "layers": layers}}, factor
