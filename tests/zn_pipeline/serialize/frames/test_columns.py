"""Padding in the file: where values are, and that empty chunks take no space."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from ase import Atoms

from zn_pipeline.serialize.frames import write_frames
from zn_pipeline.serialize.frames.columns import CHUNK_BYTES, MAX_CHUNK_ROWS, rows_per_chunk


@pytest.mark.parametrize("seed", range(5))
def test_padding_is_nan_and_values_are_in_place(tmp_path: Path, seed: int):
    rng = np.random.default_rng(seed)
    sizes = np.where(rng.random(400) < 0.9, 3, rng.integers(0, 120, 400))
    frames = [Atoms(np.full(size, 1), rng.normal(size=(size, 3))) for size in sizes]
    write_frames(tmp_path / "a.h5", frames)
    expected = np.full((400, sizes.max(), 3), np.nan)
    for row, atoms in enumerate(frames):
        expected[row, : len(atoms)] = atoms.positions
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["particles/atoms/position/value"][:], expected)


def test_a_late_and_rare_quantity(tmp_path: Path):
    frames = [Atoms("H", info={"x": 1.0, "t": "a"} if n in (300, 700) else {}) for n in range(900)]
    write_frames(tmp_path / "a.h5", frames)
    with h5py.File(tmp_path / "a.h5") as file:
        values = file["observables/atoms/x/value"][:]
        texts = file["observables/atoms/t/value"][:]
    assert len(values) == len(texts) == 900
    assert np.flatnonzero(~np.isnan(values)).tolist() == [300, 700]
    assert [row for row, text in enumerate(texts) if text] == [300, 700]


def test_only_chunks_with_values_are_stored(tmp_path: Path):
    frames = [Atoms("H2") for _ in range(2000)] + [Atoms("H800")]
    write_frames(tmp_path / "a.h5", frames)
    with h5py.File(tmp_path / "a.h5") as file:
        dataset = file["particles/atoms/position/value"]
        rows, width, _ = dataset.chunks
        assert dataset.shape == (2001, 800, 3)
        assert dataset.id.get_num_chunks() == -(-2001 // rows) + 800 // width - 1


@pytest.mark.parametrize("row_bytes", [1, 8, 2400, 10**9])
def test_rows_per_chunk(row_bytes: int):
    rows = rows_per_chunk(row_bytes)
    assert 1 <= rows <= MAX_CHUNK_ROWS
    assert rows == 1 or rows * row_bytes <= CHUNK_BYTES
    assert rows & (rows - 1) == 0
