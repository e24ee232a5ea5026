"""XYZ files: the index, reading frame by frame, writing."""

import gc
import tracemalloc
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

from zn_pipeline.serialize.frames import Frames, TextWriter, write_frames
from zn_pipeline.serialize.frames.textfiles import TextSource


def write_text(path: Path, frames) -> Path:
    with TextWriter(path) as writer:
        writer.extend(frames)
    return path


def test_in_any_order(tmp_path: Path, random_frames, assert_same_frame):
    frames = random_frames(9, 50)
    read = Frames(write_text(tmp_path / "a.xyz", frames))
    for one, other in zip(frames, read, strict=True):
        assert_same_frame(one, other)
    for row in (7, 3, 49, 0):
        assert_same_frame(read[row], frames[row])
    assert read.n_atoms.tolist() == [len(atoms) for atoms in frames]
    assert read.keys() == Frames(frames).keys()


def test_columns_are_those_of_memory(tmp_path: Path, labelled):
    frames = labelled(20)
    read = Frames(write_text(tmp_path / "a.xyz", frames))
    np.testing.assert_array_equal(read[::2].forces, Frames(frames)[::2].forces)
    assert read.column("step").tolist() == list(range(20))


def test_only_what_is_asked_for_is_read(tmp_path: Path, labelled):
    path = write_text(tmp_path / "a.xyz", labelled(3))
    text = path.read_text().splitlines()
    text[2 + 6] = "H here there everywhere"
    path.write_text("\n".join(text))
    frames = Frames(path)
    assert len(frames) == 3
    assert [frames[0].info["step"], frames[2].info["step"]] == [0, 2]
    with pytest.raises(ValueError, match=r"frame 1 of .*a\.xyz must be extended XYZ"):
        frames[1]


def test_files_of_other_programs(tmp_path: Path):
    (tmp_path / "a.xyz").write_bytes(
        b"2\r\n\r\nO 0 0 0\r\nH 0 0 1\r\n1\r\nname=x\r\nHe 0 0 2\r\n\r\n"
    )
    frames = Frames(tmp_path / "a.xyz")
    assert [str(atoms.symbols) for atoms in frames] == ["OH", "He"]
    (tmp_path / "b.xyz").write_text("1\nx\nH 0 0 0\nVEC1 2 0 0\n1\nx\nH 0 0 0\n")
    first, second = Frames(tmp_path / "b.xyz")
    (tmp_path / "c.xyz").write_text("\n1\n\nH 0 0 0\n\n\n1\nx\nHe 0 0 0\n\n")
    assert [str(atoms.symbols) for atoms in Frames(tmp_path / "c.xyz")] == ["H", "He"]
    assert first.pbc.tolist() == [True, False, False]
    assert first.cell[0, 0] == 2
    assert not second.pbc.any()


def test_no_frames(tmp_path: Path):
    assert write_text(tmp_path / "a.xyz", []).read_bytes() == b""
    frames = Frames(tmp_path / "a.xyz")
    assert len(frames) == 0
    assert list(frames) == []


@pytest.mark.parametrize("cut", [3, 60, 300])
def test_a_file_that_was_cut_off(tmp_path: Path, labelled, cut: int):
    path = write_text(tmp_path / "a.xyz", labelled(3))
    lines = path.read_bytes()
    path.write_bytes(lines[: lines.rindex(b"\n4\n") + cut])
    with pytest.raises(ValueError, match=r"frame 2 of .*a\.xyz must have 4 atoms, but the file"):
        len(Frames(path))


def test_a_file_that_is_no_xyz(tmp_path: Path):
    (tmp_path / "a.xyz").write_text("hello\n")
    with pytest.raises(ValueError, match=r"frame 0 of .* must begin with its number of atoms"):
        len(Frames(tmp_path / "a.xyz"))


def test_a_file_that_changes(tmp_path: Path, labelled):
    path = write_text(tmp_path / "a.xyz", labelled(3))
    frames = Frames(path)
    assert len(frames) == 3
    path.rename(tmp_path / "b.xyz")
    path.write_bytes((tmp_path / "b.xyz").read_bytes())
    assert frames[2].info["step"] == 2
    write_text(path, labelled(4))
    with pytest.raises(ValueError, match=r"a\.xyz must not change while it is read"):
        frames[0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"received .*a\.xyz; run what produces it first"):
        frames[0]


def test_files_strung_together_by_other_programs(tmp_path: Path, labelled):
    a, b, c = labelled(3)
    path = write_text(tmp_path / "a.xyz", [[a, b], c, [[], [c]]])
    path.write_bytes(path.read_bytes() * 2)
    assert [len(group) for group in Frames(path).groups()] == [2, 1, 1] * 2
    assert "zn_nest" not in Frames(path)[0].info
    ase.io.write(tmp_path / "b.xyz", ase.io.read(path, ":"))
    assert Frames(tmp_path / "b.xyz").nesting() == Frames(path).nesting()


def test_equal_frames_give_equal_bytes(tmp_path: Path, random_frames):
    frames = random_frames(3, 30)
    one = write_text(tmp_path / "a.xyz", frames)
    other = write_text(tmp_path / "b.xyz", Frames(one))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["a.xyz", "a.h5"])
def test_a_long_file_is_never_held_as_a_whole(tmp_path: Path, name: str):
    def stream(count: int):
        for step in range(count):
            yield Atoms("H2", info={"step": step})

    if name == "a.h5":
        write_frames(tmp_path / name, stream(2500))
    else:
        write_text(tmp_path / name, stream(2500))
    frames = Frames(tmp_path / name)
    assert len(frames) == 2500
    assert frames[2499].info["step"] == 2499
    gc.collect()
    tracemalloc.start()
    try:
        assert sum(len(atoms) for atoms in frames[:1000]) == 2000
        short = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        assert sum(1 for _ in frames) == 2500
        long = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert long < 1.3 * short + 2**19


def test_repr_names_the_file(tmp_path: Path, labelled):
    write_text(tmp_path / "a.xyz", labelled(2))
    assert str(tmp_path / "a.xyz") in repr(Frames(tmp_path / "a.xyz"))
    assert isinstance(TextSource(tmp_path / "a.xyz").__reduce__()[1], tuple)
