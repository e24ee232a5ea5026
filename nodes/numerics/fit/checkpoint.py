"""Exact resume: everything that a fit carries from epoch to epoch, in one file.

The order of structures, the learning rates and when to stop follow from the number of the epoch
and the history of losses, so they need no state of their own.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nodes.numerics.fit.epoch import FitState
from nodes.numerics.fit.metrics import EpochMetrics
from nodes.numerics.storage import flatten, read_arrays, unflatten, write_arrays

__all__ = ["Progress", "read_progress", "write_progress"]

_FILE = "fit.npz"


class Progress(NamedTuple):
    """A fit after some epochs.

    Attributes
    ----------
    state : FitState
    best : Any
        Averaged weights of the best epoch.
    best_epoch : int
        0 before the first epoch.
    history : tuple of EpochMetrics
    """

    state: FitState
    best: Any
    best_epoch: int
    history: tuple[EpochMetrics, ...]


def write_progress(directory: Path, progress: Progress, fingerprint: str) -> None:
    """Write a checkpoint that replaces the previous one."""
    record = {
        "fingerprint": fingerprint,
        "best_epoch": progress.best_epoch,
        "history": [asdict(metrics) for metrics in progress.history],
    }
    arrays = flatten({"state": progress.state, "best": progress.best})
    write_arrays(directory / _FILE, arrays | {"record": np.array(json.dumps(record))})


def read_progress(directory: Path, template: Progress, fingerprint: str) -> Progress | None:
    """Read a checkpoint into NumPy arrays, or return None if there is none.

    Raises
    ------
    ValueError
        If the checkpoint belongs to a fit with other data, model or settings.
    """
    path = directory / _FILE
    if not path.is_file():
        return None
    arrays = read_arrays(path)
    record = json.loads(str(arrays.pop("record")))
    if record["fingerprint"] != fingerprint:
        raise ValueError(
            f"checkpoint_dir must hold a checkpoint of this fit, received one of other data, "
            f"model or settings in {path}; remove it or name another directory"
        )
    stored = unflatten({"state": template.state, "best": template.best}, arrays)
    history = tuple(EpochMetrics(**metrics) for metrics in record["history"])
    return Progress(stored["state"], stored["best"], record["best_epoch"], history)
