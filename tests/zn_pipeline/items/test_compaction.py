import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from zn_pipeline.errors import BusyError
from zn_pipeline.items import compaction
from zn_pipeline.items.compaction import gc, referenced_keys
from zn_pipeline.items.segment import SegmentWriter
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.upkeep import verify

GC = """
import sys
from zn_pipeline.items.compaction import gc
from zn_pipeline.items.store import ItemStore
print("go", flush=True)
gc(ItemStore(sys.argv[1]), keep=[bytes.fromhex(key) for key in sys.argv[2:]])
"""


def closed(store, made, *groups) -> None:
    for numbers in groups:
        made.fill(store, numbers)
        store.writer().close()


def test_what_is_referenced_stays(item_store, made):
    closed(item_store, made, range(10), range(10, 20))
    report = gc(item_store, keep=made.keys([3, 14]))
    assert (report.n_removed, report.n_kept) == (18, 2)
    assert (report.segments_removed, report.segments_written) == (2, 1)
    assert made.found(item_store, range(20)) == [3, 14]
    assert verify(item_store).clean
    item_store.rebuild()
    assert made.found(item_store, range(20)) == [3, 14]
    again = gc(item_store, keep=made.keys([3, 14]))
    assert (again.n_removed, again.segments_removed) == (0, 0)


def test_a_dry_run_changes_nothing(item_store, made):
    closed(item_store, made, range(10))
    report = gc(item_store, dry_run=True)
    assert (report.n_removed, report.n_kept, report.segments_written) == (10, 0, 0)
    assert report.n_bytes > 0
    assert made.found(item_store, range(10)) == list(range(10))


def test_nothing_may_remain(item_store, made):
    closed(item_store, made, range(10))
    gc(item_store)
    assert list(item_store.segments.iterdir()) == []
    assert made.found(item_store, range(10)) == []


def test_young_results_stay(item_store, made, monkeypatch):
    now = time.time()
    monkeypatch.setattr("zn_pipeline.items.segment.time.time", lambda: now - 10 * 86400)
    closed(item_store, made, range(5))
    monkeypatch.setattr("zn_pipeline.items.segment.time.time", lambda: now)
    closed(item_store, made, range(5, 10))
    item_store.rebuild()
    assert gc(item_store, older_than_days=11).n_removed == 0
    assert gc(item_store, older_than_days=3).n_removed == 5
    assert made.found(item_store, range(10)) == list(range(5, 10))
    assert gc(item_store, older_than_days=3).n_removed == 0


def test_a_segment_that_is_being_written_is_left_alone(item_store, made):
    closed(item_store, made, range(3))
    made.fill(item_store, range(3, 6))
    report = gc(item_store)
    assert (report.n_removed, report.n_kept, report.segments_growing) == (3, 3, 1)
    made.fill(item_store, [6])
    assert made.found(item_store, range(10)) == [3, 4, 5, 6]


def test_small_segments_are_merged_and_old_places_can_be_read(item_store, made):
    closed(item_store, made, *[[number] for number in range(10)])
    places = [item_store.find([made.key(n)])[made.key(n)].place for n in range(10)]
    other = ItemStore(item_store.folder)
    report = gc(item_store, keep=made.keys(range(10)))
    assert (report.n_removed, report.segments_removed, report.segments_written) == (0, 10, 1)
    assert len(list(item_store.segments.iterdir())) == 1
    assert list(other.read_many(places, made.keys(range(10)))) == list(range(10))
    other.close()


def test_large_segments_without_waste_are_not_written_again(item_store, made, monkeypatch):
    monkeypatch.setattr(compaction, "SMALL_BYTES", 500)
    closed(item_store, made, range(50), range(50, 100))
    report = gc(item_store, keep=made.keys(range(50)))
    assert (report.n_removed, report.segments_removed, report.segments_written) == (50, 1, 0)
    assert made.found(item_store, range(100)) == list(range(50))


def test_recipes_stay_with_their_results(item_store, made):
    item_store.note_recipe(made.recipe())
    item_store.note_recipe(made.recipe("unused"))
    closed(item_store, made, range(3))
    gc(item_store, keep=made.keys([1]))
    item_store.rebuild()
    assert item_store.recipe(made.recipe().id) == made.recipe().text
    assert item_store.recipe(made.recipe("unused").id) is None


def test_damaged_records_are_dropped_for_good(item_store, made):
    places = made.fill(item_store, range(5))
    item_store.writer().close()
    item_store.refresh()
    made.damage(item_store, places[2])
    gc(item_store, keep=made.keys(range(5)))
    assert made.found(item_store, range(5)) == [0, 1, 3, 4]
    gc(item_store, keep=made.keys(range(4)))
    assert verify(item_store).clean


def test_no_clean_up_beside_a_map_or_another_clean_up(item_store, made):
    closed(item_store, made, range(3))
    item_store.leases.take([made.key(50)], "elsewhere.0:1:x")
    with pytest.raises(BusyError, match=r"no map may run .*elsewhere\.0:1:x"):
        gc(item_store)
    item_store.leases.release("elsewhere.0:1:x")
    with (item_store.folder / "gc.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="one clean-up"):
            gc(item_store)
    gc(item_store)


def test_keys_of_published_files(tmp_path, made):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    head = json.dumps({"size": 3}) + "\n"
    for name, number in (("a/b/x.h5.keys", 1), ("y.xyz.keys", 2), (".hidden/z.keys", 3)):
        (tmp_path / name).write_text(f"{head}{made.key(number).hex()}\n" * 2)
    (tmp_path / "broken.keys").write_bytes(b"\xff\xfe" * 30 + b"\n" + b"g" * 40 + b"\n")
    assert referenced_keys([tmp_path, tmp_path / "nothing"]) == set(made.keys([1, 2]))


def test_a_clean_up_that_is_killed_loses_nothing(tmp_path, made):
    keep = list(range(0, 300, 3))
    store = ItemStore(tmp_path / "store")
    for first in range(0, 300, 30):
        writer = SegmentWriter(store.segments)
        for number in range(first, first + 30):
            writer.append(made.record(number))
        writer.close()
    command = [sys.executable, "-c", GC, str(store.folder), *[k.hex() for k in made.keys(keep)]]
    for delay in (0.004, 0.02):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()  # type: ignore[union-attr]
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
        assert set(keep) <= set(made.found(store, range(300)))
        assert verify(store).clean
    gc(store, keep=made.keys(keep))
    assert made.found(store, range(300)) == keep
    store.close()
