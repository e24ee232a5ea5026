"""A trained apax model as a model of this project."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nodes.extras import require
from nodes.training.apax_import.checkpoint import Weights, read_weights
from nodes.training.apax_import.config import read_model_section
from nodes.training.apax_import.conversion import model_config, model_parameters

if TYPE_CHECKING:
    from nodes.numerics.potentials import EnergyModel, Params

__all__ = ["load_apax_model", "trained_elements"]


def load_apax_model(
    directories: Path | Sequence[Path], elements: Sequence[int] | None = None
) -> "tuple[EnergyModel, Params]":
    """Read a model that apax 0.14 trained; it predicts what apax predicts.

    Parameters
    ----------
    directories : with ``config.yaml`` and ``best/``; several are the members of a full ensemble
    elements : atomic numbers to keep, of the 118 in apax's tables; by default `trained_elements`

    Raises
    ------
    FileNotFoundError
        If a directory does not hold a trained model.
    ValueError
        If the model has a part that cannot be taken over, or members differ in shape.
    """
    require("jax", extra="jax")
    from nodes.numerics.potentials import EnergyModel

    paths = [Path(directories)] if isinstance(directories, str | Path) else list(directories)
    if not paths:
        raise ValueError("directories must name at least one model, received none")
    section, weights = read_model_section(paths[0]), read_weights(paths[0])
    if len(paths) > 1:
        section, weights = _joined(paths)
    numbers = trained_elements(weights) if elements is None else sorted(set(elements))
    config = model_config(section, numbers)
    return EnergyModel(config), model_parameters(section, weights, config)


def trained_elements(weights: Weights) -> list[int]:
    """Atomic numbers whose scale or shift is not that of the unused number 0.

    apax has a row for each of 119 numbers. All rows of elements that do not occur in the
    training data begin alike and stay alike, and number 0 never occurs.

    Raises
    ------
    ValueError
        If all rows are alike.
    """
    rows = np.concatenate(
        [
            np.moveaxis(weights[f"scale_shift.{name}_per_element"], -2, 0).reshape(119, -1)
            for name in ("scale", "shift")
        ],
        axis=1,
    )
    found = np.flatnonzero(np.any(rows != rows[0], axis=1))
    if not len(found):
        raise ValueError(
            "elements must be given for this model, received None: its scale and shift are the "
            "same for all elements, which does not say which it was trained for"
        )
    return found.tolist()


def _joined(paths: Sequence[Path]) -> tuple[dict, Weights]:
    """Return the members as one full ensemble: section `model`, and weights stacked in front."""
    sections = [read_model_section(path) for path in paths]
    for path, section in zip(paths, sections, strict=True):
        if section["ensemble"] is not None:
            raise ValueError(
                f"model.ensemble must be null in members of an ensemble, received "
                f"{section['ensemble']} in {path}; import that model by itself"
            )
        differing = [key for key, value in section.items() if value != sections[0][key]]
        if differing:
            raise ValueError(
                f"members must have the same section model, received another "
                f"{', '.join(differing)} in {path} than in {paths[0]}"
            )
    members = [read_weights(path) for path in paths]
    stacked = {name: np.stack([member[name] for member in members]) for name in members[0]}
    return sections[0] | {"ensemble": {"kind": "full", "n_members": len(paths)}}, stacked
