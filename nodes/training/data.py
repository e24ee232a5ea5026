"""Structures with labels from files: units, splits, labels of any name."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

import zn_pipeline as zn
from nodes.training.config.data import DataConfig
from nodes.training.config.model import PropertyHead
from nodes.training.units import energy_in_ev, length_in_angstrom

if TYPE_CHECKING:
    from nodes.numerics.structures import Structure

__all__ = ["Split", "label_structures", "load_split", "load_test", "read_frames"]

_SHAPES = {"l0": (), "l1": (3,), "symmetric_l2": (3, 3), "symmetric_traceless_l2": (3, 3)}
_OF_ATOMS = {"charge": "charges", "magmom": "magmoms", "energy_per_atom": "energies"}
"""What ASE calls columns of these names when it reads extended XYZ."""


@dataclass(frozen=True, eq=False)
class Split:
    """Structures to train on and to validate on."""

    train: "list[Structure]"
    valid: "list[Structure]"


def read_frames(path: Path) -> Sequence[Atoms]:
    """Return the structures of a file: H5MD, or anything that ASE reads.

    Raises
    ------
    ValueError
        If the file cannot be read or holds no structure.
    """
    if not path.is_file():
        raise ValueError(f"{path} must be a file of structures, received no file of that name")
    try:
        if path.suffix in (".h5", ".h5md", ".hdf5"):
            frames: Sequence[Atoms] = zn.Frames.from_file(path)
        else:
            frames = list(ase.io.iread(path, index=":"))
    except Exception as error:
        raise ValueError(
            f"{path} must be a file of structures that ASE reads, or H5MD, received "
            f"{type(error).__name__}: {error}"
        ) from error
    if not len(frames):
        raise ValueError(f"{path} must hold at least one structure, received none")
    return frames


def load_split(
    data: DataConfig, heads: Sequence[PropertyHead], *, seed: int, record: Path
) -> Split:
    """Read the structures to train on and to validate on.

    Parameters
    ----------
    data : where they are, and in which units
    heads : whose labels are read, too
    seed : of the split of a single file
    record : JSON file of the split, which is written, or followed if it is there

    Raises
    ------
    ValueError
        If a file cannot be read, holds too few structures, or has changed since it was split.
    """
    if data.train_data_path is not None:
        train = _labelled_file(data.train_data_path, data, heads)
        valid = (
            [] if data.val_data_path is None else _labelled_file(data.val_data_path, data, heads)
        )
        return Split(train, valid)
    path = Path(data.data_path or "")
    frames = read_frames(path)
    rows = _split_rows(data, len(frames), seed, record)
    train, valid = (
        label_structures([frames[row] for row in part], data, heads, source=path, rows=part)
        for part in (rows["train"], rows["valid"])
    )
    return Split(train, valid)


def load_test(
    data: DataConfig,
    heads: Sequence[PropertyHead],
    *,
    record: Path,
    n_data: int | None = None,
) -> "list[Structure]":
    """Read the structures for tests: those of ``test_data_path``, or what the split has left.

    Parameters
    ----------
    data, heads, record : see `load_split`
    n_data : how many at most, the first ones

    Raises
    ------
    ValueError
        If there are none.
    """
    if data.test_data_path is not None:
        path = Path(data.test_data_path)
        frames, rows = read_frames(path), None
        rows = list(range(len(frames)))
    elif data.data_path is not None:
        path = Path(data.data_path)
        frames = read_frames(path)
        if not record.is_file():
            raise ValueError(
                f"{record} must hold the split of {path}, received no file; train first"
            )
        split = json.loads(record.read_text())
        _check_unchanged(split, data, len(frames), record)
        rows = sorted(set(range(len(frames))) - set(split["train"]) - set(split["valid"]))
    else:
        raise ValueError("data.test_data_path must be given with data.train_data_path")
    rows = rows[:n_data]
    if not rows:
        raise ValueError(
            f"there must be structures for tests, received none beside those that {path} was split "
            f"into; give data.test_data_path"
        )
    return label_structures([frames[row] for row in rows], data, heads, source=path, rows=rows)


def label_structures(
    frames: Iterable[Atoms],
    data: DataConfig,
    heads: Sequence[PropertyHead],
    *,
    source: Path,
    rows: Sequence[int] | None = None,
) -> "list[Structure]":
    """Return structures with the labels that they have, in eV and Angstrom.

    Parameters
    ----------
    frames : in the units that `data` names
    source, rows : file and numbers of the frames, for messages; by default counted

    Raises
    ------
    ValueError
        If an array has the wrong shape or is not finite; the message names file and frame.
    """
    structures = []
    for count, atoms in enumerate(frames):
        row = count if rows is None else rows[count]
        try:
            structures.append(_structure(atoms, data, heads))
        except ValueError as error:
            raise ValueError(f"{source}, frame {row}: {error}") from error
    return structures


def _labelled_file(name: str, data: DataConfig, heads: Sequence[PropertyHead]) -> "list[Structure]":
    path = Path(name)
    return label_structures(read_frames(path), data, heads, source=path)


def _split_rows(data: DataConfig, n_frames: int, seed: int, record: Path) -> dict[str, Any]:
    """Return the rows of each part, from the record or drawn anew."""
    if record.is_file():
        split = json.loads(record.read_text())
        _check_unchanged(split, data, n_frames, record)
        return split
    wanted = data.n_train + data.n_valid
    if wanted > n_frames:
        raise ValueError(
            f"data.n_train + data.n_valid must be at most the {n_frames} structures of "
            f"{data.data_path}, received {data.n_train} + {data.n_valid}"
        )
    order = np.random.default_rng(seed).permutation(n_frames)
    split: dict[str, Any] = {
        "data_path": data.data_path,
        "n_frames": n_frames,
        "train": sorted(order[: data.n_train].tolist()),
        "valid": sorted(order[data.n_train : wanted].tolist()),
    }
    record.parent.mkdir(parents=True, exist_ok=True)
    temporary = record.with_suffix(".part")
    temporary.write_text(json.dumps(split) + "\n")
    temporary.replace(record)
    return split


def _check_unchanged(split: dict[str, Any], data: DataConfig, n_frames: int, record: Path) -> None:
    found = (split["n_frames"], len(split["train"]), len(split["valid"]))
    if found != (n_frames, data.n_train, data.n_valid):
        raise ValueError(
            f"{record} must hold the split of {n_frames} structures into {data.n_train} and "
            f"{data.n_valid}, received one of {found[0]} into {found[1]} and {found[2]}; remove "
            f"it, or name another experiment"
        )


def _structure(atoms: Atoms, data: DataConfig, heads: Sequence[PropertyHead]) -> "Structure":
    from nodes.numerics.structures import Structure

    length, energy_unit = length_in_angstrom(data.pos_unit), energy_in_ev(data.energy_unit)
    energy = _label(atoms, "energy", data)
    forces = _label(atoms, "forces", data)
    stress = _label(atoms, "stress", data)
    if stress is not None:
        stress = np.asarray(stress, np.float64)
        stress = voigt_6_to_full_3x3_stress(stress) if stress.shape == (6,) else stress
        stress = stress.reshape(3, 3) * energy_unit / length**3
    return Structure(
        numbers=atoms.numbers,
        positions=atoms.positions * length,
        cell=atoms.cell.array * length,
        pbc=atoms.pbc,
        energy=None if energy is None else float(energy) * energy_unit,
        forces=None if forces is None else np.asarray(forces) * (energy_unit / length),
        stress=stress,
        properties={
            head.name: _property(atoms, head, value)
            for head in heads
            if (value := _label(atoms, head.name, data)) is not None
        },
    )


def _label(atoms: Atoms, name: str, data: DataConfig) -> Any:
    """Return a label: under the key that the settings name, else a result, else info or arrays."""
    key = data.label_keys.get(name)
    results = {} if atoms.calc is None else atoms.calc.results
    if key is None:
        found = [results.get(name), atoms.info.get(name), atoms.arrays.get(name)]
        found.append(results.get(_OF_ATOMS.get(name)))
    else:
        found = [atoms.info.get(key), atoms.arrays.get(key), results.get(key)]
    return next((value for value in found if value is not None), None)


def _property(atoms: Atoms, head: PropertyHead, value: Any) -> np.ndarray:
    """Return the label of a property head in the shape of its values."""
    shape = _SHAPES[head.mode]
    if head.aggregation == "none":
        shape = (len(atoms), *shape)
    array = np.asarray(value, np.float64)
    if shape[-2:] == (3, 3) and array.size == 2 * np.prod(shape, dtype=int) // 3:
        array = voigt_6_to_full_3x3_stress(array.reshape(*shape[:-2], 6))
    if array.size != np.prod(shape, dtype=int):
        raise ValueError(f"{head.name} must have shape {shape}, received {array.shape}")
    return array.reshape(shape)
