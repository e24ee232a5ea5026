"""Frames in memory, and several sources one after the other."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from zn_pipeline.serialize.frames import Frames, write_frames


def test_memory_and_file_behave_alike(tmp_path: Path, random_frames, assert_same_frame):
    frames = random_frames(8, 30)
    write_frames(tmp_path / "a.h5", frames)
    memory, file = Frames.from_atoms(frames), Frames.from_file(tmp_path / "a.h5")
    assert memory.keys() == file.keys()
    for one, other in zip(memory, file, strict=True):
        assert_same_frame(one, other)
    assert memory.n_atoms.tolist() == file.n_atoms.tolist() == [len(atoms) for atoms in frames]
    for origin, key in sorted(memory.keys() - {("atoms", "extras")}):
        one, other = (f.column(key, origin=origin, default=None) for f in (memory, file))
        assert type(one) is type(other), key
        assert len(one) == len(other) == 30
        for left, right in zip(one, other, strict=True):
            assert repr(left) == repr(right), key


def test_memory_keeps_copies():
    atoms = Atoms("H", info={"x": [1]})
    frames = Frames.from_atoms([atoms])
    atoms.positions[:] = 5
    frames[0].info["x"].append(2)
    frames.positions[:] = 7
    frames.column("x")[0].append(3)
    assert not frames[0].positions.any()
    assert frames[0].info == {"x": [1]}


def test_memory_refuses_what_is_no_frame():
    with pytest.raises(TypeError, match=r"frame 1: a frame must be an ase\.Atoms, received str"):
        Frames.from_atoms([Atoms("H"), "H"])


def test_a_chain_in_any_order(tmp_path: Path, labelled, assert_same_frame):
    frames = labelled(9)
    write_frames(tmp_path / "a.h5", frames[:4])
    chain = Frames.from_file(tmp_path / "a.h5") + frames[4:6] + Frames.from_atoms(frames[6:])
    assert len(chain) == 9
    for one, other in zip(frames, chain, strict=True):
        assert_same_frame(one, other)
    order = [8, 0, 4, 4, 3, -1]
    assert [atoms.info["step"] for atoms in chain[order]] == [8, 0, 4, 4, 3, 8]
    assert chain[order].column("step").tolist() == [8, 0, 4, 4, 3, 8]
    assert chain[order].n_atoms.tolist() == [4] * 6
    np.testing.assert_array_equal(chain.forces, [atoms.get_forces() for atoms in frames])
    assert chain[5].info["step"] == 5


def test_a_chain_names_the_missing_frame(labelled):
    chain = Frames.from_atoms(labelled(3)) + Frames.from_atoms([Atoms("H")])
    with pytest.raises(ValueError, match=r"'energy' must be .* the first is frame 3"):
        _ = chain.energies
    assert len(chain.positions) == 4
    assert isinstance(chain.positions, list)
