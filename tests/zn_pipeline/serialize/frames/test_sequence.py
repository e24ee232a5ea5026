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
    with pytest.raises(
        TypeError, match=r"frames must be .* received Atoms; put a single structure"
    ):
        Frames.from_any(Atoms("H"))
    with pytest.raises(TypeError, match="received int"):
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
    make, (source, index) = frames.__reduce__()
    assert source.__reduce__()[1] == (tmp_path / "a.h5",)
    assert len(make(source, index)) == 50


def test_importing_loads_neither_ase_nor_h5py():
    code = (
        "import sys; from zn_pipeline.serialize.frames import Frames; "
        "print(sorted({'ase', 'h5py'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_repr(frames: Frames):
    assert repr(frames).startswith("<10 frames, ")
