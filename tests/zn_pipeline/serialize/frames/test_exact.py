"""What the schema says of columns before they are read."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from ase import Atoms

from zn_pipeline.serialize.frames import write_frames
from zn_pipeline.serialize.frames.exact import ExactColumn, exact_columns, exact_n_atoms
from zn_pipeline.serialize.frames.layout import MISSING


@pytest.fixture
def path(tmp_path: Path) -> Path:
    frames = [Atoms("H2"), Atoms("H2", info={"x": 1}), Atoms("H3", info={"x": 2.5}), Atoms("H2")]
    frames[3].info["x"] = 3
    write_frames(tmp_path / "a.h5", frames)
    return tmp_path / "a.h5"


def columns_of(file: h5py.File) -> dict[str, ExactColumn]:
    columns, n_frames, _ = exact_columns(file)
    assert n_frames == 4
    return {column.key: column for column in columns}


def test_number_of_atoms(path: Path):
    with h5py.File(path) as file:
        assert exact_n_atoms(file).tolist() == [2, 2, 3, 2]


def test_uniform_only_where_all_values_are_alike(path: Path):
    with h5py.File(path) as file:
        columns, n_atoms = columns_of(file), exact_n_atoms(file)
    positions, x = columns["positions"], columns["x"]
    assert positions.uniform(np.array([0, 1, 3]), n_atoms) == (np.float64, (2, 3))
    assert positions.uniform(np.array([0, 2]), n_atoms) is None
    assert positions.uniform(np.array([], dtype=int), n_atoms) is None
    assert x.uniform(np.array([1, 3]), n_atoms) == (np.dtype(int), ())
    assert x.uniform(np.array([1, 2]), n_atoms) is None
    assert x.uniform(np.array([0, 1]), n_atoms) is None


def test_values_have_their_own_type(path: Path):
    with h5py.File(path) as file:
        column = columns_of(file)["x"]
        rows = column.load(file, 1, 4, np.array([2, 3, 2]))
    assert [column.value(rows, row, row + 1, 2) for row in range(3)] == [1, 2.5, 3]
    assert type(column.value(rows, 0, 1, 2)) is int
    assert column.value(rows, 0, 0, 2) is MISSING


def test_no_more_is_loaded_than_the_widest_frame_needs(path: Path):
    with h5py.File(path) as file:
        positions = columns_of(file)["positions"]
        assert positions.load(file, 0, 2, np.array([2, 2])).shape == (2, 2, 3)
        assert positions.load(file, 0, 3, np.array([2, 2, 3])).shape == (3, 3, 3)
