"""What all writers share."""

from pathlib import Path

import pytest
from ase import Atoms

from zn_pipeline.serialize.frames import Frames, FramesWriter, TextWriter
from zn_pipeline.serialize.frames.sinks import FileSink, MemorySink


@pytest.fixture(params=[FramesWriter, TextWriter])
def kind(request: pytest.FixtureRequest) -> type[FileSink]:
    return request.param


def path_for(folder: Path, kind: type[FileSink]) -> Path:
    return folder / ("a.h5" if kind is FramesWriter else "a.xyz")


def test_memory_keeps_copies_and_groups(assert_same_frame, random_frames):
    frames = random_frames(1, 10)
    sink = MemorySink()
    sink.extend([frames[:3], iter(frames[3:5]), *frames[5:]])
    source = sink.source()
    for row, atoms in enumerate(frames):
        assert_same_frame(source.read_frame(row), atoms)
        assert source.read_frame(row) is not atoms
    assert [len(group) for group in Frames.from_source(source).groups()] == [3, 2, 1, 1, 1, 1, 1]


def test_memory_names_the_frame_that_is_none():
    sink = MemorySink()
    sink.append(Atoms("H"))
    with pytest.raises(TypeError, match=r"frame 1: a frame must be an ase\.Atoms, received int"):
        sink.extend([3])


def test_groups_by_hand(tmp_path: Path, kind: type[FileSink], labelled):
    path = path_for(tmp_path, kind)
    with kind(path) as writer:
        writer.begin_group()
        writer.extend(labelled(2))
        writer.end_group()
        writer.append(Atoms("H"))
        assert len(writer) == 3
        assert writer.n_groups == 1
    assert [len(group) for group in Frames(path).groups()] == [2, 1]


def test_finished_is_not_yet_visible(tmp_path: Path, kind: type[FileSink]):
    path = path_for(tmp_path / "new", kind)
    writer = kind(path)
    writer.append(Atoms("H"))
    writer.finish()
    writer.finish()
    assert not path.exists()
    writer.publish()
    writer.discard()
    writer.close()
    assert len(Frames(path)) == 1
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_target_as_it_was(tmp_path: Path, kind: type[FileSink], labelled):
    path = path_for(tmp_path, kind)
    with kind(path) as writer:
        writer.extend(labelled(2))
    before = path.read_bytes()
    with pytest.raises(TypeError, match="frame 3"), kind(path) as writer:
        writer.extend([*labelled(3), "no structure"])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_closed_writer_says_so(tmp_path: Path, kind: type[FileSink]):
    writer = kind(path_for(tmp_path, kind))
    writer.close()
    with pytest.raises(ValueError, match="writer must be open"):
        writer.append(Atoms("H"))
