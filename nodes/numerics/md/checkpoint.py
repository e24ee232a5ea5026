"""State and frames of a run on disk.

Each block of frames goes to files of its own, then the state is replaced. Frames that were written
after the state, in a run that was killed in between, are written again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from nodes.numerics.md.frames import MDFrames
from nodes.numerics.md.state import Frames, MDState
from nodes.numerics.storage import flatten, read_arrays, write_arrays

__all__ = ["Stored", "read_frames", "read_state", "write_frames", "write_state"]

_STATE = "md.npz"


class Stored(NamedTuple):
    """A state as read from disk.

    Attributes
    ----------
    arrays : dict
        Leaves of the state by their path.
    held : dict of Frames
        As given to `write_state`.
    record : dict
    """

    arrays: dict[str, np.ndarray]
    held: dict[str, Frames]
    record: dict[str, Any]

    def state(self, example: MDState) -> MDState:
        """The state, with the structure of ``example``; shapes may differ."""
        paths, structure = jax.tree_util.tree_flatten_with_path(example)
        names = [jax.tree_util.keystr(path) for path, _ in paths]
        return jax.tree_util.tree_unflatten(structure, [self.arrays[name] for name in names])


def write_state(
    directory: Path, state: MDState, held: Mapping[str, Frames], record: Mapping[str, Any]
) -> None:
    """Replace the state.

    Parameters
    ----------
    held : mapping of str to Frames
        Frames that have not been given yet.
    record : mapping
        JSON-able; ``fingerprint`` names the run.
    """
    arrays = {f"state{name}": leaf for name, leaf in flatten(state).items()}
    for key, frames in held.items():
        arrays |= {f"held/{key}/{name}": leaf for name, leaf in frames._asdict().items()}
    write_arrays(directory / _STATE, arrays | {"record": np.array(json.dumps(record))})


def read_state(directory: Path, fingerprint: str) -> Stored | None:
    """Read a state, or return None if there is none.

    Raises
    ------
    ValueError
        If it belongs to another run.
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
    held: dict[str, dict[str, np.ndarray]] = {}
    for name in [name for name in arrays if name.startswith("held/")]:
        _, key, leaf = name.split("/")
        held.setdefault(key, {})[leaf] = arrays.pop(name)
    return Stored(
        {name.removeprefix("state"): leaf for name, leaf in arrays.items()},
        {key: Frames(**leaves) for key, leaves in held.items()},
        record,
    )


def write_frames(directory: Path, replica: int, first: int, frames: MDFrames) -> None:
    """Keep frames of a replica that come after its ``first`` ones."""
    if len(frames):
        arrays = {f.name: getattr(frames, f.name) for f in fields(MDFrames)}
        write_arrays(directory / f"frames-{replica:04d}-{first:08d}.npz", arrays)


def read_frames(directory: Path, replica: int, n_frames: int) -> list[MDFrames]:
    """The first ``n_frames`` frames of a replica, in parts."""
    return [
        MDFrames(**read_arrays(path))
        for path in sorted(directory.glob(f"frames-{replica:04d}-*.npz"))
        if int(path.stem.split("-")[2]) < n_frames
    ]
