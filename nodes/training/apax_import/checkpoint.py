"""Read the arrays of an apax checkpoint, without apax, flax or orbax.

A checkpoint is a folder of an OCDBT database (a key-value store in a few files) that holds one
zarr array per weight, and of ``_METADATA``, a JSON file with the names of the weights. The
library tensorstore reads both.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.extras import require

__all__ = ["read_weights"]

Weights = dict[str, NDArray[Any]]
"""Arrays by their path in the model, e.g. ``"readout.dense_0.w"``."""

_PREFIX = ("model", "params", "params")


def read_weights(directory: Path) -> Weights:
    """Return the weights of the best epoch.

    Parameters
    ----------
    directory : of a trained apax model, with the folder ``best``

    Raises
    ------
    FileNotFoundError
        If there is no finished checkpoint.
    ValueError
        If the checkpoint is not of the kind that apax 0.14 writes.
    MissingExtraError
        If tensorstore is not installed.
    """
    folder = _newest_checkpoint(directory / "best") / "default"
    metadata = json.loads((folder / "_METADATA").read_text())
    if not metadata.get("use_ocdbt") or metadata.get("use_zarr3"):
        raise ValueError(
            f"{folder} must be a checkpoint in OCDBT and zarr 2, as apax 0.14 writes it, received "
            f"use_ocdbt={metadata.get('use_ocdbt')}, use_zarr3={metadata.get('use_zarr3')}; load "
            f"it with the apax that wrote it and save it with apax 0.14"
        )
    weights: Weights = {}
    for entry in metadata["tree_metadata"].values():
        path = tuple(str(part["key"]) for part in entry["key_metadata"])
        if path[: len(_PREFIX)] == _PREFIX:
            name = ".".join(path[len(_PREFIX) :]).removeprefix("energy_model.")
            weights[name] = _read_array(folder, ".".join(path))
    if not weights:
        raise ValueError(f"{folder} must hold {'.'.join(_PREFIX)}, received none of that name")
    return weights


def _newest_checkpoint(folder: Path) -> Path:
    """Return the folder of the highest epoch; unfinished ones have a longer name."""
    epochs = [path for path in folder.glob("*") if path.name.isdigit()]
    if not epochs:
        raise FileNotFoundError(
            f"{folder} must hold the checkpoint of an epoch, e.g. {folder / '42'}, received none; "
            f"give the directory of a trained apax model, which holds config.yaml and best/"
        )
    return max(epochs, key=lambda path: int(path.name))


def _read_array(folder: Path, name: str) -> NDArray[Any]:
    tensorstore = require("tensorstore", extra="apax")
    database = {"driver": "ocdbt", "base": f"file://{folder.resolve()}", "path": f"{name}/"}
    array = tensorstore.open({"driver": "zarr", "kvstore": database}, open=True).result()
    return np.asarray(array.read().result())
