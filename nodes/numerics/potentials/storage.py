"""Models on disk: ``model.json`` says what it is, ``weights.npz`` holds the numbers."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.potentials.config import ModelConfig
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.selftest import check_backend
from nodes.numerics.storage import (
    array_digest,
    flatten,
    read_arrays,
    read_json,
    unflatten,
    write_arrays,
    write_json,
)

__all__ = ["load_model", "save_model"]

_FORMAT = 3
"""Raised whenever the same numbers would mean another model."""


def save_model(path: Path, model: EnergyModel, params: Params) -> None:
    """Write a model into a directory, which is created if missing.

    ``model.json`` is written last and holds the digest of the weights, so that a model whose
    writing was cut short is never mistaken for a whole one.
    """
    arrays = flatten(params)
    write_arrays(path / "weights.npz", arrays)
    record = {
        "format": _FORMAT,
        "config": model.config.to_json(),
        "sha256": array_digest(arrays),
    }
    write_json(path / "model.json", record)


def load_model(path: Path) -> tuple[EnergyModel, Params]:
    """Read back what `save_model` wrote.

    Weights stored in float64 come back as float32 unless JAX has float64 switched on;
    reference energies stay float64 in any case.

    Raises
    ------
    FileNotFoundError
        If the directory holds no model.
    ValueError
        If the two files do not belong together or the format is unknown.
    """
    check_backend()
    record = read_json(path / "model.json")
    if record["format"] != _FORMAT:
        raise ValueError(
            f"{path} must hold a model of format {_FORMAT}, received format {record['format']}; "
            f"train it again, or import it again if it came from apax"
        )
    arrays = read_arrays(path / "weights.npz")
    if array_digest(arrays) != record["sha256"]:
        raise ValueError(
            f"weights.npz and model.json in {path} must be of one save, received different "
            f"digests; save the model again"
        )
    model = EnergyModel(ModelConfig.from_json(record["config"]))
    with model.scope():
        template = jax.eval_shape(model.init, jax.random.key(0))
        # The types are those that were stored: a model may be saved in other ones than here.
        stored = unflatten(template, arrays, check_types=False)
        params = jax.tree.map(jnp.asarray, stored)
    params["constants"]["reference"] = np.asarray(stored["constants"]["reference"], np.float64)
    return model, params
