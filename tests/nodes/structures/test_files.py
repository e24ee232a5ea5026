import ase.build
import ase.io
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

import zn_pipeline as zn
from nodes.structures.files import LoadFrames


@pytest.fixture
def frames():
    made = [ase.build.bulk("Cu", a=3.6 + 0.01 * k) for k in range(5)]
    for k, frame in enumerate(made):
        frame.calc = SinglePointCalculator(frame, energy=float(k), forces=[[0.0, 0.0, float(k)]])
    return made


def loaded(**fields):
    node = LoadFrames(**fields)
    node.run()
    return node.frames


@pytest.mark.parametrize("name", ["frames.xyz", "frames.traj"])
def test_structures_and_labels_are_read(tmp_path, frames, name):
    ase.io.write(tmp_path / name, frames)
    found = loaded(file=tmp_path / name)
    assert [frame.get_potential_energy() for frame in found] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert found[3].get_forces()[0, 2] == 3.0


def test_a_frames_file_of_the_project_is_read(tmp_path, frames):
    zn.write_frames(tmp_path / "frames.h5", frames)
    found = loaded(file=tmp_path / "frames.h5", start=1, step=2)
    assert [frame.get_potential_energy() for frame in found] == [1.0, 3.0]


def test_a_slice_takes_part_of_the_file(tmp_path, frames):
    ase.io.write(tmp_path / "frames.xyz", frames)
    found = loaded(file=tmp_path / "frames.xyz", start=-2)
    assert [frame.get_potential_energy() for frame in found] == [3.0, 4.0]


def test_the_format_can_be_named(tmp_path, frames):
    ase.io.write(tmp_path / "frames.dat", frames[:1], format="vasp")
    assert len(loaded(file=tmp_path / "frames.dat", file_format="vasp")[0]) == 1


def test_an_empty_slice_is_refused(tmp_path, frames):
    ase.io.write(tmp_path / "frames.xyz", frames)
    with pytest.raises(ValueError, match=r"must select a structure of .* slice\(9, None, None\)"):
        loaded(file=tmp_path / "frames.xyz", start=9)


def test_the_node_keeps_the_contract(tmp_path, frames):
    ase.io.write(tmp_path / "frames.xyz", frames)
    zn.testing.check_node(LoadFrames, file=tmp_path / "frames.xyz", stop=3)
