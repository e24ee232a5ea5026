"""`Frames` of anything."""

import types
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

from zn_pipeline.serialize.frames import Frames, TextWriter, write_frames


@pytest.fixture
def folder(tmp_path: Path, labelled, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give 8 structures in four files of four formats; the suffix of one says nothing."""
    frames = labelled(8)
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    write_frames(tmp_path / "a.h5", frames[:2])
    ase.io.write(tmp_path / "b.xyz", frames[2:4])
    ase.io.write(tmp_path / "sub" / "c.traj", frames[4:6])
    write_frames(tmp_path / "sub" / "deep" / "d.data", frames[6:])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def steps(frames: Frames) -> list[int]:
    return [atoms.info["step"] for atoms in frames]


ALL = ["a.h5", "b.xyz", "sub/c.traj", "sub/deep/d.data"]


FORMS = {
    "list": lambda frames: frames,
    "nested": lambda frames: [frames[:3], [frames[3], [frames[4:7]]], frames[7]],
    "tuple": tuple,
    "generator": iter,
    "frames": Frames,
    "files": lambda _: ALL,
    "paths": lambda _: [Path(name) for name in ALL],
    "glob": lambda _: "**/*.*",
    "globs": lambda _: ["*.*", "sub/*.t*", "sub/deep/*"],
    "object": lambda frames: types.SimpleNamespace(frames=frames),
    "mixed": lambda frames: [
        Path("a.h5"),
        frames[2],
        iter(frames[3:4]),
        types.SimpleNamespace(frames="sub/*.traj"),
        Frames("sub/deep/d.data"),
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_structures(folder: Path, labelled, form: str):
    expected = labelled(8)
    frames = Frames(FORMS[form](labelled(8)))
    assert len(frames) == 8
    assert steps(frames) == list(range(8))
    assert frames[-1].info["step"] == 7
    assert steps(frames[5:2:-1]) == [5, 4, 3]
    np.testing.assert_allclose(
        frames.energies, [atoms.get_potential_energy() for atoms in expected], atol=1e-12
    )
    np.testing.assert_allclose(frames.positions, [atoms.positions for atoms in expected], atol=1e-8)


def test_a_single_structure(labelled):
    assert steps(Frames(labelled(1)[0])) == [0]
    assert len(Frames()) == len(Frames([])) == 0


def test_a_list_makes_groups_of_files_and_a_path_does_not(folder: Path):
    assert [len(group) for group in Frames("a.h5").groups()] == [1, 1]
    assert [len(group) for group in Frames(["a.h5"]).groups()] == [2]
    assert [(len(g), g.name) for g in Frames("*.xyz").groups()] == [(2, "b.xyz")]
    assert [g.name for g in Frames([Frames("a.h5"), Frames("b.xyz")]).groups()] == ALL[:2]
    assert Frames("a.h5").name == "a.h5"


def test_files_are_found_by_content(folder: Path):
    assert steps(Frames("sub/deep/d.data")) == [6, 7]


def test_absent_files_are_told_at_once(folder: Path):
    with pytest.raises(FileNotFoundError, match=r"existing file, received 'no\.xyz'; run what"):
        Frames("no.xyz")
    with pytest.raises(FileNotFoundError, match=r"entry 1: .*received 'no\.h5'"):
        Frames(["a.h5", "no.h5"])
    with pytest.raises(FileNotFoundError, match=r"must match at least one file, .*'no\*\.xyz'"):
        Frames("no*.xyz")


def test_a_name_with_brackets_is_no_glob(folder: Path):
    Path("b.xyz").rename("b[1].xyz")
    assert steps(Frames("b[1].xyz")) == [2, 3]


def test_what_is_no_structure(labelled):
    with pytest.raises(TypeError, match=r"entry 1: frames must be .* received int"):
        Frames([*labelled(1), 3])
    with pytest.raises(TypeError, match=r"received dict; give ase\.Atoms"):
        Frames({"a": labelled(1)})
    with pytest.raises(TypeError, match="received NoneType"):
        Frames(None)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("index", "chosen"), [(1, [1]), (-1, [1]), ("::-1", [1, 0]), (":1", [0])])
def test_read_options(folder: Path, name: str, index, chosen):
    first = steps(Frames(name))[0]
    frames = Frames(name, read={"index": index})
    assert steps(frames) == [first + number for number in chosen]
    assert [g.name for g in Frames([name], read={"index": index}).groups()] == [name]


def test_the_format_can_be_told(folder: Path):
    Path("b.xyz").rename("b.unknown")
    with pytest.raises(ValueError, match=r"file that ASE reads.*name its format with read="):
        len(Frames("b.unknown"))
    assert steps(Frames("b.unknown", read={"format": "extxyz"})) == [2, 3]


def test_a_generator_is_used_once_and_copied_as_it_goes():
    def moving():
        atoms = Atoms("H")
        for step in range(4):
            atoms.positions[0, 0] = step
            yield atoms

    frames = Frames(moving())
    assert [atoms.positions[0, 0] for atoms in frames] == [0, 1, 2, 3]
    assert [atoms.positions[0, 0] for atoms in frames] == [0, 1, 2, 3]


def test_the_given_structures_never_change(labelled, assert_same_frame, tmp_path: Path):
    given, same = labelled(4), labelled(4)
    frames = Frames([given[:2], given[2:]])
    for atoms in frames:
        atoms.positions += 1
        atoms.info["new"] = 1
        atoms.calc.results["energy"] = 0.0
        atoms.calc.results["forces"][:] = 0.0
    with TextWriter(tmp_path / "a.xyz") as writer:
        writer.extend(frames)
    for one, other, held in zip(given, same, frames, strict=True):
        assert_same_frame(one, other)
        assert_same_frame(held, other)
    given[0].positions += 1
    assert_same_frame(frames[0], same[0])
