"""Files in other formats of ASE."""

import gc
from pathlib import Path

import ase.io
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from zn_pipeline.serialize.frames import Frames, asefiles, write_frames


@pytest.mark.parametrize("name", ["a.traj", "a.json", "a.xyz.gz"])
def test_any_format(tmp_path: Path, labelled, name: str):
    ase.io.write(tmp_path / name, labelled(5))
    frames = Frames(tmp_path / name)
    assert len(frames) == 5
    assert frames[1:].energies.shape == (4,)
    assert frames[-1].get_forces().shape == (4, 3)
    assert frames.origin(3) == (str(tmp_path / name), 3)
    assert frames.n_atoms.tolist() == [4] * 5
    assert frames.nesting() is None
    assert ("calc", "forces") in frames.keys()  # noqa: SIM118


def test_single_structures(tmp_path: Path):
    ase.io.write(tmp_path / "POSCAR", bulk("Cu"))
    assert Frames(tmp_path / "POSCAR")[0].get_chemical_formula() == "Cu"


def test_long_files_go_to_a_temporary_file(tmp_path: Path, labelled, monkeypatch):
    monkeypatch.setattr(asefiles, "MEMORY_FRAMES", 3)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    ase.io.write(tmp_path / "a.traj", labelled(8))
    frames = Frames(tmp_path / "a.traj")
    assert [atoms.info["step"] for atoms in frames] == list(range(8))
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    del frames
    gc.collect()
    assert not list((tmp_path / "tmp").iterdir())


def test_crystals_can_be_stored(tmp_path: Path):
    ase.io.write(
        tmp_path / "a.cif", crystal("Na", [(0, 0, 0)], spacegroup=229, cellpar=[4] * 3 + [90] * 3)
    )
    frames = Frames(tmp_path / "a.cif")
    write_frames(tmp_path / "a.h5", frames)
    assert Frames(tmp_path / "a.h5")[0].info == frames[0].info
    assert isinstance(frames[0].info["spacegroup"], str)


def test_a_damaged_file_is_named(tmp_path: Path):
    (tmp_path / "a.traj").write_bytes(b"- of Ulm")
    with pytest.raises(ValueError, match=r"a\.traj must be a file that ASE reads, received"):
        len(Frames(tmp_path / "a.traj"))


def test_a_file_that_is_gone(tmp_path: Path):
    ase.io.write(tmp_path / "a.traj", Atoms("H"))
    frames = Frames(tmp_path / "a.traj")
    (tmp_path / "a.traj").unlink()
    with pytest.raises(FileNotFoundError, match=r"received .*a\.traj; run what produces it"):
        len(frames)
