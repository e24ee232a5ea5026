"""Bring the spread of an ensemble to the size of its errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.potentials.readout import scale_spread
from nodes.numerics.structures import Structure
from nodes.numerics.uncertainty import ScoreName, spread_factor

__all__ = [
    "Deviations", "SpreadFactors", "calibrate_forces", "ensemble_deviations", "spread_factors",
    "with_spread",
]  # fmt: skip


class Deviations(NamedTuple):
    """Errors of an ensemble and its standard deviations.

    Attributes
    ----------
    energy_errors, energy_stds : (n_energies,), eV/atom
    forces_errors, forces_stds : (n_components,), eV/Angstrom
    """

    energy_errors: np.ndarray
    energy_stds: np.ndarray
    forces_errors: np.ndarray
    forces_stds: np.ndarray

    def scaled(self, energy: float, forces: float) -> Deviations:
        """The same errors with standard deviations times a factor each."""
        return self._replace(
            energy_stds=energy * self.energy_stds, forces_stds=forces * self.forces_stds
        )


class SpreadFactors(NamedTuple):
    """Factors on the standard deviations of energies and of forces."""

    energy: float
    forces: float


def ensemble_deviations(
    model: EnergyModel, params: Params, structures: Sequence[Structure]
) -> Deviations:
    """Compare an ensemble with labelled structures.

    Parameters
    ----------
    structures : sequence of Structure
        With energies or forces or both; held out.

    Raises
    ------
    ValueError
        If the model has one member or no structure has a label.
    """
    labelled = [s for s in structures if s.energy is not None or s.forces is not None]
    if model.config.n_members < 2 or not labelled:
        raise ValueError(
            f"calibration must have an ensemble and labelled structures, received "
            f"{model.config.n_members} members and {len(labelled)} labelled structures"
        )
    predictions = model.predict_many(params, labelled, forces_std=True)
    pairs = list(zip(predictions, labelled, strict=True))
    energies = [
        ((p.energy - s.energy) / len(s), p.energy_std / len(s))
        for p, s in pairs
        if s.energy is not None
    ]
    forces = [
        np.stack([(p.forces - s.forces).ravel(), p.forces_std.ravel()], axis=1)
        for p, s in pairs
        if s.forces is not None and p.forces_std is not None
    ]
    both = np.array(energies, np.float64).reshape(-1, 2)
    components = np.concatenate([np.empty((0, 2)), *forces]).astype(np.float64)
    return Deviations(both[:, 0], both[:, 1], components[:, 0], components[:, 1])


def spread_factors(
    deviations: Deviations,
    *,
    target: Literal["energy", "forces", "shared", "separate"] = "separate",
    score: ScoreName = "nll",
) -> SpreadFactors:
    """Factors that bring standard deviations to the size of the errors.

    Parameters
    ----------
    target : {'energy', 'forces', 'shared', 'separate'}
        Whose errors decide on the factor of both; 'shared' is the geometric mean of the two
        factors, which splits the difference; with 'separate' each decides on its own.
    score : {'nll', 'crps'}
        What is to be the best, see `spread_factor`.

    Raises
    ------
    ValueError
        If the labels that are needed are missing, or an option is unknown.
    """
    if target not in ("energy", "forces", "shared", "separate"):
        raise ValueError(
            f"target must be 'energy', 'forces', 'shared' or 'separate', received {target!r}"
        )
    needed = ("energy", "forces") if target in ("shared", "separate") else (target,)
    found: dict[str, float] = {}
    for name in needed:
        errors = getattr(deviations, f"{name}_errors")
        if not len(errors):
            raise ValueError(
                f"structures must have {name} labels for target={target!r}, received none"
            )
        found[name] = spread_factor(errors, getattr(deviations, f"{name}_stds"), score=score)
    if target == "separate":
        return SpreadFactors(found["energy"], found["forces"])
    factor = float(np.exp(np.mean(np.log(list(found.values())))))
    return SpreadFactors(factor, factor)


def with_spread(model: EnergyModel, params: Params, factor: float) -> Params:
    """Parameters whose members deviate from their mean `factor` times as much.

    The factor is applied to the last layer, so that energies and forces keep their mean, the
    members remain gradients of their energies, and every use of the model sees it.

    Raises
    ------
    ValueError
        If the members share no layers: a mean of networks is no change of their weights.
    """
    if model.config.full:
        raise ValueError(
            "the ensemble must be shallow for its weights to be calibrated, received a full one; "
            "scale its standard deviations instead"
        )
    weights = params["weights"]
    with model.scope():
        layers = scale_spread(weights["layers"], factor)
    return {**params, "weights": {**weights, "layers": layers}}


def calibrate_forces(
    model: EnergyModel, params: Params, structures: Sequence[Structure]
) -> tuple[Params, float]:
    """Scale the spread of the members such that normalised force errors have unit variance.

    The factor is sqrt(mean((error / std)^2)) over force components, the maximum of the Gaussian
    likelihood, applied by `with_spread`.

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
    factors = spread_factors(ensemble_deviations(model, params, labelled), target="forces")
    return with_spread(model, params, factors.forces), factors.forces
