"""Empirical corrections of an apax model, with the numbers that were trained."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.training.apax_import.checkpoint import Weights

__all__ = ["correction", "correction_weights"]


def correction(entry: dict[str, Any]) -> Any:
    """Return the counterpart of one entry of ``model.empirical_corrections``."""
    from nodes.numerics.potentials import ExponentialRepulsion, Zbl

    kinds = {"zbl": Zbl, "exponential": ExponentialRepulsion}
    return kinds[entry["name"]](r_max_angstrom=entry["r_max"])


def correction_weights(
    section: dict[str, Any], weights: Weights, elements: Sequence[int]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return the numbers of all corrections by name.

    The members of a full ensemble share them here. Repulsion of nuclei is linear in its numbers,
    so that their mean keeps the mean energy.

    Raises
    ------
    ValueError
        If members have different exponential repulsions.
    """
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for index, entry in enumerate(section["empirical_corrections"]):
        prefix = f"corrections_{index}."
        own = {
            name.removeprefix(prefix): np.asarray(array, np.float64)
            for name, array in weights.items()
            if name.startswith(prefix)
        }
        if entry["name"] == "zbl":
            found["zbl"] = _zbl(own)
        else:
            key = f"model.empirical_corrections[{index}]"
            found["exponential"] = _exponential(own, np.array(elements), key)
    return found


def _zbl(own: Weights) -> dict[str, NDArray[np.float64]]:
    """Both kinds of numbers are kept positive by softplus; apax leaves out Coulomb's constant."""
    from nodes.numerics.units import COULOMB

    strengths = _softplus(own["rep_scale"]) * _softplus(own["coefficients"][..., 0])
    strengths = strengths.reshape(-1, 4).mean(axis=0)
    prefactor = strengths.sum()
    return {"prefactor": prefactor / COULOMB, "coefficients": strengths / prefactor}


def _exponential(own: Weights, rows: NDArray[np.intp], key: str) -> dict[str, NDArray[np.float64]]:
    values = {
        "strength": np.abs(own["rep_prefactor"][..., rows]),
        "length": np.abs(own["rep_scale"][..., rows]),
    }
    for name, array in values.items():
        members = array.reshape(-1, len(rows))
        if np.any(members != members[0]):
            raise ValueError(
                f"{key} must have the same numbers in all members of a full ensemble, received "
                f"{members.tolist()} for {name}; import the members one by one"
            )
        values[name] = members[0]
    return values


def _softplus(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.logaddexp(0.0, x)
