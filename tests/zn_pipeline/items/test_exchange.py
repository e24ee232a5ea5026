import os
import shutil
from pathlib import Path

import pytest

from zn_pipeline.items.compaction import gc
from zn_pipeline.items.exchange import pull, push
from zn_pipeline.items.segment import SegmentWriter
from zn_pipeline.items.store import ItemStore


class Folder:
    """A remote that is a folder of this machine, and notes what is copied."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.copied: list[str] = []

    def sizes(self) -> dict[str, int]:
        return {file.name: file.stat().st_size for file in self.path.glob("*")}

    def put(self, file: Path, name: str) -> None:
        self.path.mkdir(exist_ok=True)
        shutil.copyfile(file, self.path / name)
        self.copied.append(name)

    def get(self, name: str, file: Path) -> None:
        shutil.copyfile(self.path / name, file)
        self.copied.append(name)


@pytest.fixture
def remote(tmp_path) -> Folder:
    return Folder(tmp_path / "remote")


@pytest.fixture
def other(tmp_path):
    store = ItemStore(tmp_path / "other")
    yield store
    store.close()


def test_results_go_from_one_store_to_another(item_store, other, remote, made):
    made.fill(item_store, range(5))
    name = item_store.writer().name
    report = push(item_store, remote)
    assert (report.segments, report.growing) == ((), (name,))
    item_store.writer().close()
    report = push(item_store, remote)
    assert (report.segments, report.n_bytes) == ((name,), remote.sizes()[name])
    assert push(item_store, remote).segments == ()
    assert remote.copied == [name]

    made.fill(other, range(3, 8))
    assert pull(other, remote).segments == (name,)
    assert pull(other, remote).segments == ()
    assert made.found(other, range(10)) == list(range(8))
    other.writer().close()
    assert len(push(other, remote).segments) == 1
    assert len(pull(item_store, remote).segments) == 1
    assert made.found(item_store, range(10)) == list(range(8))


@pytest.mark.filterwarnings("ignore:os.fork")  # JAX may be about
def test_a_segment_of_a_killed_writer_is_pushed(item_store, remote, made):
    child = os.fork()
    if child == 0:
        SegmentWriter(item_store.segments).append(made.record(1))
        os._exit(0)
    os.waitpid(child, 0)
    assert len(push(item_store, remote).segments) == 1


def test_what_is_damaged_on_the_way_does_not_count(item_store, other, remote, made):
    places = made.fill(item_store, range(5))
    item_store.writer().close()
    push(item_store, remote)
    file = remote.path / places[0].segment
    whole = file.read_bytes()
    data = bytearray(whole)
    data[places[2].offset + 110] ^= 1
    file.write_bytes(data)
    report = pull(other, remote)
    assert (report.segments, report.damaged) == ((), (file.name,))
    assert made.found(other, range(5)) == []
    assert list(other.segments.iterdir()) == []
    file.write_bytes(whole[: places[3].offset + 20])  # an upload that was broken off
    assert len(pull(other, remote).segments) == 1
    assert made.found(other, range(5)) == [0, 1, 2]
    assert len(push(item_store, remote).segments) == 1
    assert len(pull(other, remote).segments) == 1
    assert made.found(other, range(5)) == [0, 1, 2, 3, 4]


def test_what_is_damaged_here_is_not_pushed(item_store, remote, made):
    places = made.fill(item_store, range(5))
    item_store.writer().close()
    made.damage(item_store, places[2])
    assert push(item_store, remote).damaged == (places[0].segment,)
    assert remote.sizes() == {}


def test_what_was_thrown_away_stays_away(item_store, remote, made):
    made.fill(item_store, range(5))
    item_store.writer().close()
    push(item_store, remote)
    gc(item_store, keep=made.keys([1]))
    assert pull(item_store, remote).segments == ()
    assert made.found(item_store, range(5)) == [1]


def test_other_files_of_the_remote_are_not_taken(other, remote):
    remote.path.mkdir()
    (remote.path / "index.sqlite").write_bytes(b"x")
    (remote.path / "notes.txt").write_bytes(b"x")
    assert pull(other, remote).segments == ()


def test_a_broken_download_leaves_nothing(item_store, other, remote, made, monkeypatch):
    made.fill(item_store, range(5))
    item_store.writer().close()
    push(item_store, remote)

    def broken(name: str, file: Path) -> None:
        file.write_bytes(b"half")
        raise ConnectionError("gone")

    monkeypatch.setattr(remote, "get", broken)
    with pytest.raises(ConnectionError, match="gone"):
        pull(other, remote)
    assert list(other.segments.iterdir()) == []
