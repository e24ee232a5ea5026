"""Reading H5MD that znh5md or other programs wrote, where NaN padding stands for "absent".

What the file cannot tell is decided as its writer meant it: padding is cut, a value of NaN alone is
missing, and all numbers are floats except atomic numbers and tags. Per-atom quantities are cut at
the number of atoms and not at their last number, so NaN in the last rows of forces is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from ase.calculators.calculator import all_properties

from .layout import ASE_NAMES, FRAME_RESULTS, MISSING, ORIGIN_ATTRIBUTE, H5File, Origin

_VECTORS: Final = frozenset({"positions", "forces", "velocities", "momenta"})
_INTEGERS: Final = frozenset({"numbers", "tags"})
_DEFAULT_BLOCK: Final = 64


@dataclass(frozen=True, slots=True)
class ForeignColumn:
    """A padded column.

    Attributes
    ----------
    origin, key
        Where the value goes in `ase.Atoms`, and its name there.
    path
        HDF5 dataset.
    per_atom
        Whether the second axis of the dataset (the first of `fixed` ones) runs over the atoms.
    fixed
        The dataset holds one value for all frames.
    """

    origin: Origin
    key: str
    path: str
    per_atom: bool
    fixed: bool

    def load(self, file: H5File, low: int, high: int, n_atoms: np.ndarray) -> Any:
        """Stored rows of the frames `low` to `high`; fewer where the dataset ends earlier."""
        dataset = file[self.path]
        if self.fixed:
            return np.broadcast_to(dataset[()], (high - low, *dataset.shape))
        if self.per_atom and dataset.dtype.kind != "O":
            return dataset[low:high, : n_atoms.max(initial=0)]
        return dataset[low:high]

    def value(self, rows: Any, row: int, frame: int, n_atoms: int) -> Any:
        """New value of one frame, from `rows` that `load` returned, or `MISSING`."""
        if row >= len(rows):
            return MISSING
        stored = rows[row]
        if isinstance(stored, bytes | str):
            return self._from_text(stored)
        if self.key == "pbc":
            return np.array(stored, dtype=bool)
        if self.key == "cell":
            return np.diag(stored) if stored.ndim == 1 else np.array(stored, dtype=np.float64)
        if stored.ndim == 0:
            return MISSING if np.isnan(stored) else stored.item()
        value: Any = np.array(stored[:n_atoms] if self.per_atom else stored)
        if self.key in _VECTORS or self.key == "numbers":
            absent = value.size > 0 and np.isnan(value).all() and self.key != "positions"
            value = MISSING if absent else value
        else:
            value = _cut_padding(value, first_axis=1 if self.per_atom else 0)
        if self.key in _INTEGERS and value is not MISSING and (value == np.rint(value)).all():
            return value.astype(np.int64)
        return value

    def _from_text(self, stored: bytes | str) -> Any:
        text = stored.decode() if isinstance(stored, bytes) else stored
        if not text:
            return MISSING
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        return np.array(value) if self.origin == "arrays" else value

    def uniform(self, frames: np.ndarray, n_atoms: np.ndarray) -> None:
        """Nothing is known of the values before they are read."""


def _cut_padding(value: np.ndarray, *, first_axis: int) -> Any:
    """Remove what holds only NaN at the end of every axis from `first_axis` on."""
    if value.dtype.kind != "f" or not value.size:
        return value
    held = ~np.isnan(value)
    if not held.any():
        return MISSING
    ends = [
        int(np.flatnonzero(held.any(axis=tuple(set(range(value.ndim)) - {axis})))[-1]) + 1
        for axis in range(value.ndim)
    ]
    ends[:first_axis] = value.shape[:first_axis]
    return value[tuple(map(slice, ends))]


def foreign_columns(file: H5File) -> tuple[list[ForeignColumn], int, int]:
    """Columns of any other H5MD file, its number of frames, and frames per block.

    Raises
    ------
    ValueError
        The file has no particles with species and positions.
    """
    group = particles_group(file)
    position = file.get(f"{group}/position/value")
    species = file[f"{group}/species"]
    if position is None:
        position = species["value"]
    width = position.shape[1]
    columns = list(_box_columns(file, group))
    observables = f"observables/{group.rpartition('/')[2]}"
    for parent in (group, observables):
        for name in file.get(parent, ()):
            if name != "box":
                columns += _column(
                    file, f"{parent}/{name}", name, in_particles=parent == group, width=width
                )
    block = position.chunks[0] if position.chunks else _DEFAULT_BLOCK
    return columns, len(position), block


def _column(
    file: H5File, path: str, name: str, *, in_particles: bool, width: int
) -> Iterator[ForeignColumn]:
    item: Any = file[path]
    fixed = not hasattr(item, "keys")
    dataset: Any = item if fixed else item.get("value")
    if dataset is None:
        return
    key = ASE_NAMES.get(name, name)
    axis = 0 if fixed else 1
    per_atom = (
        in_particles
        and key not in FRAME_RESULTS
        and dataset.ndim > axis
        and dataset.shape[axis] == width
    )
    origin = item.attrs.get(ORIGIN_ATTRIBUTE)
    if in_particles and key in ("numbers", "positions"):
        origin = "atoms"
    elif origin is None and key in all_properties:
        origin = "calc"
    elif origin is None:
        origin = "arrays" if per_atom else "info"
    yield ForeignColumn(origin, key, dataset.name, per_atom, fixed)


def _box_columns(file: H5File, group: str) -> Iterator[ForeignColumn]:
    for key, name in (("cell", "edges"), ("pbc", "pbc")):
        item: Any = file.get(f"{group}/box/{name}")
        if item is not None:
            fixed = not hasattr(item, "keys")
            path = item.name if fixed else f"{item.name}/value"
            yield ForeignColumn("atoms", key, path, per_atom=False, fixed=fixed)


def particles_group(file: H5File) -> str:
    """HDF5 group of the first kind of particles."""
    names = list(file.get("particles", ()))
    if not names or f"particles/{names[0]}/species" not in file:
        raise ValueError(
            f"{file.filename} must be an H5MD file with particles/<name>/species, received "
            f"the groups {sorted(file)}; convert it, for instance with write_frames(path, frames)"
        )
    return f"particles/{names[0]}"


def foreign_boundary(file: H5File) -> np.ndarray:
    """Periodicity of all frames, bool (3,), where the file does not store it per frame."""
    box = file.get(f"{particles_group(file)}/box")
    boundary = box.attrs.get("boundary", ["none"] * 3) if box is not None else ["none"] * 3
    return np.array([entry not in ("none", b"none") for entry in boundary])


def foreign_n_atoms(file: H5File, n_frames: int) -> np.ndarray:
    """Number of atoms of each frame, int64: where the padding of the species begins."""
    species = file[f"{particles_group(file)}/species"]
    if not hasattr(species, "keys"):
        return np.full(n_frames, len(species), dtype=np.int64)
    dataset = species["value"]
    step = max(1, 2**22 // max(1, dataset.shape[1]))
    counts = [
        np.count_nonzero(~np.isnan(dataset[low : low + step]), axis=1)
        for low in range(0, n_frames, step)
    ]
    return np.concatenate(counts or [np.zeros(0)]).astype(np.int64)
