"""Round trips, equal bytes, small files, and a target that is never half written."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from zn_pipeline.serialize.frames import Frames, FramesWriter, write_frames


@pytest.mark.parametrize("seed", range(12))
def test_any_mix_comes_back_exactly(tmp_path: Path, random_frames, assert_same_frame, seed: int):
    frames = random_frames(seed, 40)
    write_frames(tmp_path / "a.h5", frames)
    back = Frames.from_file(tmp_path / "a.h5")
    assert len(back) == len(frames)
    for one, other in zip(frames, back, strict=True):
        assert_same_frame(one, other)
    for number in (0, -1, 17, 3):
        assert_same_frame(frames[number], back[number])


def test_a_mix_that_spans_several_flushes(tmp_path: Path, random_frames, assert_same_frame):
    frames = [*random_frames(1, 30), *random_frames(2, 300)]
    write_frames(tmp_path / "a.h5", frames)
    for one, other in zip(frames, Frames.from_file(tmp_path / "a.h5"), strict=True):
        assert_same_frame(one, other)


def test_what_is_absent_is_not_nan(tmp_path: Path):
    first, second, third = (Atoms("H") for _ in range(3))
    first.calc = SinglePointCalculator(first, energy=float("nan"), forces=np.full((1, 3), np.nan))
    second.info["x"] = None
    write_frames(tmp_path / "a.h5", [first, second, third])
    one, two, three = Frames.from_file(tmp_path / "a.h5")
    assert np.isnan(one.calc.results["energy"])
    assert np.isnan(one.calc.results["forces"]).all()
    assert two.info == {"x": None}
    assert two.calc is None
    assert three.info == {}


def test_no_frames(tmp_path: Path):
    write_frames(tmp_path / "a.h5", [])
    frames = Frames.from_file(tmp_path / "a.h5")
    assert len(frames) == 0
    assert list(frames) == []
    assert len(frames.energies) == 0
    assert len(frames[:]) == 0


def test_one_frame(tmp_path: Path, labelled, assert_same_frame):
    frames = labelled(1)
    write_frames(tmp_path / "a.h5", frames)
    assert_same_frame(Frames.from_file(tmp_path / "a.h5")[0], frames[0])


def test_one_large_frame_does_not_blow_up_the_file(tmp_path: Path, assert_same_frame):
    rng = np.random.default_rng(0)
    sizes = [2] * 100 + [500] + [2] * 100
    frames = []
    for size in sizes:
        atoms = Atoms(np.full(size, 6), rng.normal(size=(size, 3)))
        atoms.calc = SinglePointCalculator(atoms, forces=rng.normal(size=(size, 3)))
        frames.append(atoms)
    write_frames(tmp_path / "mix.h5", frames)
    write_frames(tmp_path / "small.h5", [atoms for atoms in frames if len(atoms) == 2])
    raw = 500 * (3 + 3 + 1) * 8
    grown = (tmp_path / "mix.h5").stat().st_size - (tmp_path / "small.h5").stat().st_size
    assert grown < 2.5 * raw
    for one, other in zip(frames, Frames.from_file(tmp_path / "mix.h5"), strict=True):
        assert_same_frame(one, other)


def test_large_frames_after_small_ones(tmp_path: Path, assert_same_frame):
    rng = np.random.default_rng(0)
    sizes = [1] * 300 + [40, 0, 33] * 5 + [1] * 20
    frames = [Atoms(np.full(size, 6), rng.normal(size=(size, 3))) for size in sizes]
    write_frames(tmp_path / "a.h5", frames)
    for one, other in zip(frames, Frames.from_file(tmp_path / "a.h5"), strict=True):
        assert_same_frame(one, other)


def test_equal_frames_give_equal_bytes(tmp_path: Path, random_frames):
    frames = random_frames(3, 300)
    write_frames(tmp_path / "a.h5", frames)
    time.sleep(1.1)  # HDF5 would store times in whole seconds
    with FramesWriter(tmp_path / "other name.h5") as writer:
        writer.append(frames[0])
        writer.extend(iter(frames[1:]))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "other name.h5").read_bytes()


def test_a_copy_has_equal_bytes(tmp_path: Path, labelled):
    write_frames(tmp_path / "a.h5", labelled(50))
    write_frames(tmp_path / "b.h5", Frames.from_file(tmp_path / "a.h5"))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_file_can_be_replaced_by_a_part_of_itself(tmp_path: Path, labelled):
    path = tmp_path / "a.h5"
    write_frames(path, labelled(9))
    write_frames(path, Frames.from_file(path)[::2])
    assert Frames.from_file(path).column("step").tolist() == [0, 2, 4, 6, 8]


def test_frames_are_copied_at_once_and_not_modified(tmp_path: Path):
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 1.0]])
    atoms.info["list"] = [1]
    before = atoms.copy()
    with FramesWriter(tmp_path / "a.h5") as writer:
        for step in range(3):
            atoms.positions[1, 2] = step
            atoms.info["list"][0] = step
            writer.append(atoms)
        assert len(writer) == 3
    frames = Frames.from_file(tmp_path / "a.h5")
    assert [frame.positions[1, 2] for frame in frames] == [0, 1, 2]
    assert frames.column("list") == [[0], [1], [2]]
    assert set(atoms.arrays) == set(before.arrays)
    assert atoms.calc is None


def test_results_of_another_structure_are_refused(tmp_path: Path):
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]], calculator=EMT())
    atoms.get_potential_energy()
    with FramesWriter(tmp_path / "a.h5") as writer:
        writer.append(atoms)
        atoms.positions[1, 2] = 2.6
        with pytest.raises(ValueError, match=r"frame 1: results .* computed for other positions"):
            writer.append(atoms)
        atoms.calc = None
        writer.append(atoms)
    first, second = Frames.from_file(tmp_path / "a.h5")
    assert "energy" in first.calc.results
    assert second.calc is None


def test_a_value_that_cannot_be_stored_names_its_place(tmp_path: Path):
    bad = Atoms("H", info={"good": 1, "bad": object()})
    with FramesWriter(tmp_path / "a.h5") as writer:
        writer.append(Atoms("H"))
        with pytest.raises(
            TypeError, match=r"frame 1, info 'bad': values must be .* builtins.object"
        ):
            writer.append(bad)
        writer.append(Atoms("He", info={"good": 2}))
    frames = Frames.from_file(tmp_path / "a.h5")
    assert [atoms.info for atoms in frames] == [{}, {"good": 2}]
    with pytest.raises(TypeError, match=r"must be an ase.Atoms, received Atom; .* \[atoms\]"):
        write_frames(tmp_path / "b.h5", Atoms("H"))
    with pytest.raises(TypeError, match=r"keys of Atoms.info must be strings, received 3"):
        write_frames(tmp_path / "b.h5", [Atoms("H", info={3: 1})])
    assert not (tmp_path / "b.h5").exists()


def test_a_closed_writer_says_so(tmp_path: Path):
    writer = FramesWriter(tmp_path / "new" / "a.h5")
    writer.append(Atoms("H"))
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match=r"writer must be open.*a\.h5 was closed"):
        writer.append(Atoms("H"))


def test_an_error_leaves_the_target_as_it_was(tmp_path: Path, labelled):
    path = tmp_path / "a.h5"
    write_frames(path, labelled(2))
    before = path.read_bytes()

    def failing():
        yield from labelled(600)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_frames(path, failing())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import sys
from ase import Atoms
from zn_pipeline.serialize.frames import FramesWriter
with FramesWriter(sys.argv[1]) as writer:
    for number in range(10**9):
        writer.append(Atoms("H4"))
        if number == 1000:
            print("in the middle", flush=True)
"""


@pytest.mark.parametrize("existing", [False, True])
def test_a_killed_writer_leaves_the_target_as_it_was(tmp_path: Path, labelled, existing: bool):
    path = tmp_path / "a.h5"
    if existing:
        write_frames(path, labelled(3))
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert path.exists() is existing
    if existing:
        assert len(Frames.from_file(path)) == 3
    write_frames(path, labelled(4))
    assert len(Frames.from_file(path)) == 4


def test_the_file_follows_h5md(tmp_path: Path, labelled):
    write_frames(tmp_path / "a.h5", labelled(3))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["h5md"].attrs["version"].tolist() == [1, 1]
        position = file["particles/atoms/position"]
        assert position["value"].shape == (3, 4, 3)
        assert position["value"].attrs["unit"] == "Angstrom"
        assert position["step"][()] == 1
        box = file["particles/atoms/box"]
        assert box.attrs["dimension"] == 3
        assert list(box.attrs["boundary"]) == ["periodic"] * 3
        assert file["observables/atoms/potential_energy/value"].dtype == np.float64


def test_the_file_has_ordinary_permissions(tmp_path: Path):
    (tmp_path / "plain").touch()
    write_frames(tmp_path / "a.h5", [Atoms("H")])
    assert (tmp_path / "a.h5").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("n_frames", [255, 256, 257, 512])
def test_blocks_may_end_anywhere_and_lack_a_value(tmp_path, n_frames):
    frames = [Atoms("Cu", info={"vector": np.arange(3.0) + row}) for row in range(n_frames)]
    for atoms in frames[100:]:
        del atoms.info["vector"]
    with FramesWriter(tmp_path / "a.h5") as writer:
        for atoms in frames:
            writer.append(atoms)
    found = Frames(tmp_path / "a.h5")
    assert len(found) == n_frames
    np.testing.assert_array_equal(found[99].info["vector"], np.arange(3.0) + 99)
    assert not found[n_frames - 1].info
