import os
import subprocess
import sys

import pytest

from zn_pipeline.items.records import Place
from zn_pipeline.items.segment import SegmentWriter
from zn_pipeline.items.store import ItemStore

INSERT = """
import sys
from pathlib import Path
from zn_pipeline.items.records import ItemRecord
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.values import encode
store = ItemStore(sys.argv[1])
for start in range(0, 600, 20):
    records = [
        ItemRecord(n.to_bytes(20, "big"), bytes(20), bytes(16), "ok", encode(n))
        for n in range(start, start + 20)
    ]
    store.put(records)
    assert len(store.find([record.key for record in records])) == 20
"""


def test_what_was_added_is_found(item_store, made):
    places = made.fill(item_store, range(2000))
    found = item_store.find(made.keys(range(3000)))
    assert len(found) == 2000
    entry = found[made.key(7)]
    assert (entry.key, entry.status, entry.place) == (made.key(7), "ok", places[7])
    assert (entry.seconds, entry.attempts) == (0.25, 1)
    item_store.add([(made.record(7), places[7])])
    assert item_store.index.select("SELECT * FROM copies") == []


def test_what_others_append_is_found(item_store, made):
    writer = SegmentWriter(item_store.segments)
    writer.append(made.record(1))
    assert made.found(item_store, range(5)) == [1]
    writer.append(made.record(2))
    assert item_store.find(made.keys([2]), refresh=False) == {}
    assert made.found(item_store, range(5)) == [1, 2]
    other = ItemStore(item_store.folder)
    made.fill(other, [3])
    assert made.found(item_store, range(5)) == [1, 2, 3]
    other.close()


def test_only_what_is_new_is_read(item_store, made, monkeypatch):
    made.fill(item_store, range(10))
    starts: list[int] = []
    from zn_pipeline.items import index, segment

    def scan(path, start=0, end=None):
        starts.append(start)
        return segment.scan(path, start, end)

    monkeypatch.setattr(index, "scan", scan)
    size = (item_store.segments / item_store.writer().name).stat().st_size
    item_store.refresh()
    place = item_store.writer().append(made.record(10))
    item_store.refresh()
    item_store.refresh()
    assert starts == [size, place.offset]


def test_a_result_takes_the_place_of_a_failure_and_never_the_other_way(item_store, made):
    item_store.put([made.record(1, {"kind": "calculation"}, "failed")])
    assert item_store.find([made.key(1)])[made.key(1)].status == "failed"
    item_store.put([made.record(1)])
    item_store.put([made.record(1, {"kind": "timeout"}, "failed")])
    assert made.found(item_store, [1]) == [1]
    item_store.rebuild()
    assert made.found(item_store, [1]) == [1]


def test_a_second_result_that_differs_is_noted(item_store, made):
    item_store.put([made.record(1), made.record(2)])
    item_store.put([made.record(1), made.record(2, "other")])
    rows = item_store.index.select("SELECT key, same FROM copies ORDER BY same")
    assert rows == [(made.key(2), 0), (made.key(1), 1)]
    assert made.found(item_store, [1, 2]) == [1, 2]
    item_store.rebuild()
    assert len(item_store.index.select("SELECT * FROM copies WHERE NOT same")) == 1


def test_a_damaged_record_counts_as_not_done(item_store, made):
    places = made.fill(item_store, range(10))
    item_store.refresh()
    made.damage(item_store, places[4])
    assert made.found(item_store, range(10)) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert item_store.index.select("SELECT start, stop FROM damaged") == [
        (places[4].offset, places[4].offset + places[4].size)
    ]


def test_a_copy_takes_the_place_of_a_damaged_record(item_store, made):
    (first,) = made.fill(item_store, [1])
    item_store.writer().close()
    made.fill(item_store, [1, 2])
    item_store.refresh()
    made.damage(item_store, first)
    assert made.found(item_store, [1, 2]) == [1, 2]
    assert item_store.find([made.key(1)])[made.key(1)].place.segment != first.segment


def test_a_segment_that_is_gone_or_cut(item_store, made):
    places = made.fill(item_store, range(5))
    item_store.writer().close()
    made.fill(item_store, range(5, 10))
    path = item_store.segments / places[0].segment
    item_store.refresh()
    os.truncate(path, places[3].offset + 10)
    assert made.found(item_store, range(10)) == [0, 1, 2, 5, 6, 7, 8, 9]
    path.unlink()
    assert made.found(item_store, range(10)) == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("harm", ["delete", "overwrite", "truncate", "middle", "other version"])
@pytest.mark.parametrize("is_open", [False, True])
def test_an_index_that_is_harmed_is_made_anew(item_store, made, harm, is_open):
    made.fill(item_store, range(500))
    item_store.writer().close()
    file = item_store.index.file
    if harm == "other version":
        item_store.index.db.execute("PRAGMA user_version=99")
    item_store.index.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if not is_open:
        item_store.close()
    data = bytearray(file.read_bytes())
    if harm == "delete":
        file.unlink()
    elif harm == "overwrite":
        file.write_bytes(b"nonsense" * 1000)
    elif harm == "truncate":
        file.write_bytes(data[:5000])
    elif harm == "middle":
        data[4096:] = bytes(len(data) - 4096)
        file.write_bytes(data)
    again = ItemStore(item_store.folder)
    assert made.found(again, range(600)) == list(range(500))
    again.close()


def test_a_record_that_moved_on_the_disk_is_found_again(item_store, made):
    places = made.fill(item_store, range(3))
    path = item_store.segments / places[0].segment
    item_store.refresh()
    path.write_bytes(b"junk in front" + path.read_bytes())
    assert made.found(item_store, range(3)) == [0, 1, 2]


def test_two_processes_insert_the_same(tmp_path):
    store = ItemStore(tmp_path)
    command = [sys.executable, "-c", INSERT, str(tmp_path)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in running:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0
    keys = [n.to_bytes(20, "big") for n in range(600)]
    found = store.find(keys)
    assert [store.read(found[key].place) for key in keys] == list(range(600))
    assert store.index.select("SELECT count(*), min(same) FROM copies") == [(600, 1)]
    store.close()


@pytest.mark.filterwarnings("ignore:os.fork")  # JAX may be about
def test_a_fork_opens_its_own_connection(item_store, made):
    made.fill(item_store, range(3))
    child = os.fork()
    if child == 0:
        made.fill(item_store, [3])
        os._exit(0 if made.found(item_store, range(5)) == [0, 1, 2, 3] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert made.found(item_store, range(5)) == [0, 1, 2, 3]


def test_forgotten_keys(item_store, made):
    places = made.fill(item_store, range(3))
    item_store.index.forget([made.key(1)])
    item_store.index.forget_place(places[2])
    item_store.index.forget_place(Place("nowhere", 0, 1))
    assert made.found(item_store, range(3)) == [0]
