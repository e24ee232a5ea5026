"""Frames and state of a run on disk.

Each block of frames goes to a file of its own, then the state is replaced. Frames that were
written after the state, in a run that was killed in between, are written again.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nodes.numerics.md.block import Frames, MDState
from nodes.numerics.neighbors.device import DeviceList
from nodes.numerics.storage import read_arrays, write_arrays

__all__ = ["Stored", "read_run", "write_run"]

_STATE = "md.npz"
_LIST = fields(DeviceList)


class Stored(NamedTuple):
    """A run as read from disk: state, frames so far, and the record given to `write_run`."""

    state: MDState
    frames: list[Frames]
    record: dict[str, Any]


def write_run(
    directory: Path, state: MDState, block: Frames, n_before: int, record: dict[str, Any]
) -> None:
    """Add a block of frames after the ``n_before`` first ones, and replace the state.

    Parameters
    ----------
    record : dict
        JSON-able; ``fingerprint`` names the run and ``n_frames`` counts its frames.
    """
    if len(block.step):
        write_arrays(directory / f"frames-{n_before:08d}.npz", block._asdict())
    neighbors = {f"neighbors.{f.name}": getattr(state.neighbors, f.name) for f in _LIST}
    arrays = {name: v for name, v in state._asdict().items() if name != "neighbors"} | neighbors
    write_arrays(directory / _STATE, arrays | {"record": np.array(json.dumps(record))})


def read_run(directory: Path, fingerprint: str) -> Stored | None:
    """Read a run, or return None if there is none.

    Raises
    ------
    ValueError
        If the checkpoint belongs to another run.
    """
    path = directory / _STATE
    if not path.is_file():
        return None
    arrays = read_arrays(path)
    record = json.loads(str(arrays.pop("record")))
    if record["fingerprint"] != fingerprint:
        raise ValueError(
            f"checkpoint_dir must hold a checkpoint of this run, received one of another "
            f"structure, model or settings in {path}; remove it or name another directory"
        )
    frames = [
        Frames(**read_arrays(part))
        for part in sorted(directory.glob("frames-*.npz"))
        if int(part.stem.split("-")[1]) < record["n_frames"]
    ]
    leaves: dict[str, Any] = {f.name: arrays.pop(f"neighbors.{f.name}") for f in _LIST}
    neighbors = DeviceList(**leaves)
    return Stored(MDState(**arrays, neighbors=neighbors), frames, record)
