"""`Frames` as a sequence: indices, views, sums, columns and their errors."""

import copy
import multiprocessing
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from zn_pipeline.serialize.frames import Frames, write_frames
from zn_pipeline.serialize.frames import FramesOutput as Output


@pytest.fixture(params=["file", "memory", "chain"])
def frames(request: pytest.FixtureRequest, tmp_path: Path, labelled) -> Frames:
    atoms = labelled(10)
    if request.param == "memory":
        return Frames.from_atoms(atoms)
    write_frames(tmp_path / "a.h5", atoms)
    file = Frames.from_file(tmp_path / "a.h5")
    return file if request.param == "file" else file[:6] + atoms[6:]


def steps(frames: Frames) -> list[int]:
    return [atoms.info["step"] for atoms in frames]


def test_indices(frames: Frames):
    assert len(frames) == 10
    assert frames[0].info["step"] == 0
    assert frames[-1].info["step"] == 9
    assert frames[np.int64(3)].info["step"] == 3
    assert steps(frames) == list(range(10))
    assert [atoms.info["step"] for atoms in reversed(frames)] == list(range(9, -1, -1))


def test_views(frames: Frames):
    assert steps(frames[2:5]) == [2, 3, 4]
    assert steps(frames[::-3]) == [9, 6, 3, 0]
    assert steps(frames[[1, -1, 1]]) == [1, 9, 1]
    assert steps(frames[np.arange(10) > 6]) == [7, 8, 9]
    assert steps(frames[2:][::2][[0, -1]]) == [2, 8]
    assert steps(frames[[]]) == steps(frames[5:5]) == []
    assert frames[2:5][-1].info["step"] == 4
    assert isinstance(frames[2:3], Frames)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (10, IndexError, "index must be from -10 to 9, received 10"),
        (-11, IndexError, "received -11"),
        ([0, 12], IndexError, r"indices must be from -10 to 9, received \[0, 12\]"),
        ([True], IndexError, "mask must have 10 entries, received 1"),
        ([0.5], TypeError, "index must be an integer, a slice, or a list"),
        ("a", TypeError, "received 'a'"),
    ],
)
def test_wrong_indices(frames: Frames, index, error, message):
    with pytest.raises(error, match=message):
        frames[index]


def test_sums(frames: Frames, labelled):
    assert steps(frames[:2] + frames[8:]) == [0, 1, 8, 9]
    assert steps(frames[:1] + labelled(2)) == [0, 0, 1]
    assert steps(labelled(2) + frames[:1]) == [0, 1, 0]
    parts = [frames[:2], frames[4:5], frames[9:]]
    assert steps(sum(parts, [])) == [0, 1, 4, 9]  # noqa: RUF017
    assert steps(frames[:0] + frames[:0]) == []


def test_columns(frames: Frames):
    atoms = list(frames)
    np.testing.assert_array_equal(frames.positions, [one.positions for one in atoms])
    np.testing.assert_array_equal(frames.numbers, [one.numbers for one in atoms])
    np.testing.assert_array_equal(frames.cells, [one.cell.array for one in atoms])
    np.testing.assert_array_equal(frames.pbc, [one.pbc for one in atoms])
    np.testing.assert_array_equal(frames.energies, [one.get_potential_energy() for one in atoms])
    np.testing.assert_array_equal(frames.forces, [one.get_forces() for one in atoms])
    np.testing.assert_array_equal(frames.stresses, [one.get_stress() for one in atoms])
    assert frames.pbc.dtype == bool
    assert frames.numbers.dtype == np.int64
    assert frames[3:6].energies.shape == (3,)
    assert frames.column("step").tolist() == list(range(10))
    assert ("calc", "forces") in frames.keys()  # noqa: SIM118


@pytest.fixture
def uneven(tmp_path: Path) -> Frames:
    frames = [Atoms("H2", info={"name": "a", "tags": 1}), Atoms("H3", tags=[1, 2, 3])]
    write_frames(tmp_path / "a.h5", frames)
    return Frames.from_file(tmp_path / "a.h5")


def test_columns_of_unequal_frames_are_lists(uneven: Frames):
    assert isinstance(uneven.positions, list)
    assert [value.shape for value in uneven.positions] == [(2, 3), (3, 3)]
    assert uneven.n_atoms.tolist() == [2, 3]
    assert uneven[:1].positions.shape == (1, 2, 3)
    assert uneven[:1].column("name") == ["a"]


def test_a_missing_value_names_the_frame(uneven: Frames):
    with pytest.raises(ValueError, match=r"'name' must be present .* received 1 of 2 .* frame 1"):
        uneven.column("name")
    with pytest.raises(ValueError, match=r"column\('name', default=\.\.\.\)"):
        uneven.column("name")
    with pytest.raises(ValueError, match=r"'energy' must be present in every frame.*compute it"):
        _ = uneven.energies
    assert uneven.column("name", default="b") == ["a", "b"]
    assert uneven.column("energy", default=0.0).tolist() == [0.0, 0.0]


def test_an_unknown_or_ambiguous_name(uneven: Frames):
    with pytest.raises(ValueError, match=r"name must be one of cell, name, .*received 'nam'"):
        uneven.column("nam")
    with pytest.raises(ValueError, match=r"'tags', which is in arrays and in info; choose with"):
        uneven.column("tags")
    assert uneven[:1].column("tags", origin="info").tolist() == [1]


def test_from_any(tmp_path: Path, frames: Frames, labelled):
    assert Frames.from_any(frames) is frames
    write_frames(tmp_path / "b.h5", frames)
    assert steps(Frames.from_any(tmp_path / "b.h5")) == steps(
        Frames.from_any(str(tmp_path / "b.h5"))
    )
    assert steps(Frames.from_any(iter(labelled(3)))) == [0, 1, 2]
    assert len(Frames.from_any(Atoms("H"))) == 1
    with pytest.raises(TypeError, match=r"frames must be .* received int; give"):
        Frames.from_any(3)


def test_identity_and_immutability(frames: Frames):
    assert frames == frames
    assert frames != frames[:]
    assert len({frames, frames, frames[:]}) == 2
    with pytest.raises(TypeError, match="does not support item assignment"):
        frames[0] = Atoms("H")
    with pytest.raises(AttributeError):
        frames.anything = 1


def test_copies(frames: Frames):
    assert steps(copy.deepcopy(frames[3:])) == list(range(3, 10))


@pytest.mark.parametrize("frames", ["chain"], indirect=True)
def test_other_processes(frames: Frames):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(len, (frames[2:],)) == 8
        assert pool.apply(Frames.__getitem__, (frames[2:], 1)).info["step"] == 3


def test_a_file_travels_as_its_path(tmp_path: Path, labelled):
    write_frames(tmp_path / "a.h5", labelled(50))
    frames = Frames.from_file(tmp_path / "a.h5")
    _ = frames[0]
    make, (source, *view) = frames[3:].__reduce__()
    assert source.__reduce__()[1] == (tmp_path / "a.h5",)
    assert len(make(source, *view)) == 47


def test_importing_loads_neither_ase_nor_h5py():
    code = (
        "import sys; from zn_pipeline.serialize.frames import Frames; "
        "print(sorted({'ase', 'h5py'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_repr(frames: Frames):
    assert repr(frames).startswith("<10 frames, ")


@pytest.fixture
def nested(labelled) -> list:
    a, b, c, d, e, f = labelled(6)
    return [[a, b], c, [d, [e, f]], []]


def shape(frames: Frames) -> list:
    return [
        entry.info["step"] if isinstance(entry, Atoms) else shape(entry)
        for entry in frames.entries()
    ]


NESTED = [[0, 1], 2, [3, [4, 5]], []]


def test_groups(nested: list):
    frames = Frames(nested)
    assert shape(frames) == NESTED
    assert [steps(group) for group in frames.groups()] == [[0, 1], [2], [3, 4, 5], []]
    assert [group.name for group in frames.groups()] == ["0", "1", "2", "3"]
    inner = list(frames.groups())[2]
    assert [steps(group) for group in inner.groups()] == [[3], [4, 5]]
    assert frames.name == ""
    assert [len(group) for group in Frames(nested[0]).groups()] == [1, 1]


def test_groups_survive_views_and_sums(nested: list):
    frames = Frames(nested)
    assert shape(frames[2:]) == [2, [3, [4, 5]]]
    assert shape(frames[:-1]) == [[0, 1], 2, [3, [4]]]
    assert shape(frames[[0, 1, 4, 5]]) == [[0, 1], [[4, 5]]]
    assert shape(frames[::-1]) == [[[5, 4], 3], 2, [1, 0]]
    assert shape(frames[2:][1:]) == [[3, [4, 5]]]
    assert shape(list(frames.groups())[2][1:]) == [[4, 5]]
    assert shape(frames + frames[:2]) == [*NESTED, [0, 1]]
    assert shape((frames + frames)[3:9]) == [[3, [4, 5]], [0, 1], 2]
    assert shape(frames + [nested[0]] + frames[2:3]) == [*NESTED, [0, 1], 2]  # noqa: RUF005


@pytest.mark.parametrize("name", ["a.h5", "a.xyz"])
def test_groups_survive_one_file_and_many(tmp_path: Path, nested: list, name: str):
    Output(tmp_path / name).write(Frames(nested))
    read = Frames(tmp_path / name)
    assert shape(read) == NESTED
    assert shape(read[2:]) == [2, [3, [4, 5]]]
    together = Frames([tmp_path / name, [tmp_path / name, nested[1]]])
    assert shape(together) == [NESTED, [NESTED, 2]]
    assert [group.name for group in together.groups()] == [str(tmp_path / name), "1"]


def test_groups_open_no_files(tmp_path: Path):
    for name in ("a.xyz", "b.xyz"):
        (tmp_path / name).write_text("this is no structure")
    frames = Frames(tmp_path / "*.xyz")
    assert [Path(group.name).name for group in frames.groups()] == ["a.xyz", "b.xyz"]
    with pytest.raises(ValueError, match=r"a\.xyz must begin with its number of atoms"):
        len(frames)


def test_groups_reach_other_processes(nested: list):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(Frames.nesting, (Frames(nested)[2:],)) == Frames(nested)[2:].nesting()


def test_origin(tmp_path: Path, labelled):
    write_frames(tmp_path / "a.h5", labelled(4))
    Output(tmp_path / "b.xyz").write(labelled(3))
    frames = Frames([tmp_path / "a.h5", labelled(2), tmp_path / "b.xyz"])
    places = [frames.origin(row) for row in (0, 3, 4, 5, 6, -1)]
    a, b = (str(tmp_path / name) for name in ("a.h5", "b.xyz"))
    assert places == [(a, 0), (a, 3), ("memory", 0), ("memory", 1), (b, 0), (b, 2)]
    assert frames[::-1].origin(0) == (b, 2)
    with pytest.raises(IndexError, match="index must be from -9 to 8, received 9"):
        frames.origin(9)


def test_results_are_arranged_as_the_input(nested: list):
    def shape_of(entries) -> list:
        return [x if isinstance(x, str | list) else shape_of(x) for x in entries]

    frames = Frames(nested)
    assert shape_of(frames.arrange("abcdef")) == [["a", "b"], "c", ["d", ["e", "f"]], []]
    some = ["a", None, None, ["d", "D"], None, "f"]
    assert shape_of(frames.arrange(some)) == [["a"], [["d", "D"], ["f"]], []]
    with pytest.raises(ValueError, match="one for each frame, received fewer; give None"):
        shape_of(frames.arrange("abc"))
