import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from zn_pipeline.items import segment
from zn_pipeline.items.records import ItemRecord
from zn_pipeline.items.segment import (
    END,
    FRAME_BYTES,
    MAGIC,
    DamagedError,
    SegmentWriter,
    check,
    machine,
    may_grow,
    pack,
    scan,
)

WRITER = """
import os, sys
from pathlib import Path
from zn_pipeline.items.records import ItemRecord
from zn_pipeline.items.segment import SegmentWriter
writer = SegmentWriter(Path(sys.argv[1]))
while True:
    body = os.urandom(int.from_bytes(os.urandom(2), "little"))
    place = writer.append(ItemRecord(os.urandom(20), bytes(20), bytes(16), "ok", body))
    print(place.offset + place.size, flush=True)
"""


def record(number: int, size: int = 100) -> ItemRecord:
    body = np.random.default_rng(number).bytes(size)
    return ItemRecord(number.to_bytes(20, "big"), b"r" * 20, b"s" * 16, "ok", body, 0.5, 2)


def written(folder, n: int = 20) -> tuple:
    writer = SegmentWriter(folder)
    places = [writer.append(record(number)) for number in range(n)]
    return folder / places[0].segment, places, writer


def keys(found) -> list[int]:
    return [int.from_bytes(frame.key, "big") for frame in found.frames if frame.code != END]


def test_records_come_back(tmp_path):
    path, places, writer = written(tmp_path)
    found = scan(path)
    assert keys(found) == list(range(20))
    assert [(f.offset, f.size) for f in found.frames] == [(p.offset, p.size) for p in places]
    assert (found.end, found.damaged, found.torn) == (path.stat().st_size, [], 0)
    assert not found.closed
    writer.close()
    assert scan(path).closed
    data = path.read_bytes()[places[3].offset : places[4].offset]
    frame, body = check(data, places[3])
    assert bytes(body) == record(3).body
    assert (frame.seconds, frame.attempts, frame.structure) == (0.5, 2, b"s" * 16)
    assert abs(frame.added - time.time()) < 60
    assert keys(scan(path, start=places[7].offset)) == list(range(7, 20))


def test_nothing_is_made_before_the_first_record(tmp_path):
    SegmentWriter(tmp_path / "new").close()
    assert not (tmp_path / "new").exists()


def test_a_torn_tail_is_clean(tmp_path):
    path, places, _ = written(tmp_path)
    whole = path.read_bytes()
    last = places[-1]
    for cut in range(last.offset, last.offset + last.size):
        path.write_bytes(whole[:cut])
        found = scan(path)
        assert keys(found) == list(range(19))
        assert (found.damaged, found.torn, found.end) == ([], cut - last.offset, last.offset)
    path.write_bytes(whole + bytes(300))  # what a crash of the machine may leave
    assert scan(path).damaged == []


def test_only_damaged_records_are_lost(tmp_path):
    path, places, _ = written(tmp_path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        spot = int(rng.integers(len(whole)))
        data = bytearray(whole)
        data[spot] ^= int(rng.integers(1, 256))
        path.write_bytes(data)
        hit = next(n for n, p in enumerate(places) if p.offset <= spot < p.offset + p.size)
        found = scan(path)
        assert keys(found) == [n for n in range(20) if n != hit]
        start, stop = places[hit].offset, places[hit].offset + places[hit].size
        torn_at_the_end = hit == 19 and found.torn
        assert found.damaged == ([] if torn_at_the_end else [(start, stop)])


def test_bytes_that_go_missing_or_come_in(tmp_path):
    path, places, _ = written(tmp_path)
    whole = path.read_bytes()
    middle = places[9].offset + 50
    path.write_bytes(whole[:middle] + whole[middle + 500 :])
    assert keys(scan(path)) == [*range(9), *range(12, 20)]
    path.write_bytes(whole[:middle] + MAGIC * 50 + whole[middle:])
    assert keys(scan(path)) == [*range(9), *range(10, 20)]
    path.write_bytes(b"x" * 77 + whole)
    assert keys(scan(path)) == list(range(20))
    assert scan(path).damaged == [(0, 77)]


def test_a_length_that_is_wrong_hides_nothing(tmp_path):
    path, places, _ = written(tmp_path)
    data = bytearray(path.read_bytes())
    data[places[5].offset + 11] = 0xFF  # the highest byte of the length
    path.write_bytes(data)
    assert keys(scan(path)) == [*range(5), *range(6, 20)]


def test_records_larger_than_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(segment, "_BLOCK", 256)
    writer = SegmentWriter(tmp_path)
    sizes = [0, 1, 159, 160, 161, 5000, 256, 10, 100_000, 3]
    places = [writer.append(record(n, size)) for n, size in enumerate(sizes)]
    path = tmp_path / writer.name
    assert keys(scan(path)) == list(range(10))
    data = bytearray(path.read_bytes())
    data[places[5].offset + 3000] ^= 1
    path.write_bytes(data)
    assert keys(scan(path)) == [0, 1, 2, 3, 4, 6, 7, 8, 9]


def test_a_writer_goes_on_in_a_new_segment(tmp_path, monkeypatch):
    monkeypatch.setattr(segment, "MAX_SEGMENT_BYTES", 1000)
    _, places, writer = written(tmp_path)
    writer.close()
    names = list(dict.fromkeys(place.segment for place in places))
    assert len(names) > 2
    found = [scan(tmp_path / name) for name in names]
    assert all(item.closed for item in found)
    assert [key for item in found for key in keys(item)] == list(range(20))


@pytest.mark.filterwarnings("ignore:os.fork")  # JAX may be about
def test_a_writer_is_used_after_a_fork(tmp_path):
    path, _, writer = written(tmp_path, 3)
    child = os.fork()
    if child == 0:
        writer.append(record(50))
        writer.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    writer.append(record(3))
    assert keys(scan(path)) == [0, 1, 2, 3]
    (other,) = [item for item in tmp_path.iterdir() if item != path]
    assert keys(scan(other)) == [50]
    assert f"-{child}-" in other.name


def test_a_full_disk_leaves_the_segment_whole(tmp_path, monkeypatch):
    path, _, writer = written(tmp_path, 3)
    real, calls = os.write, []

    def short(file: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(file, data[:60])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(OSError, match="No space"):
        writer.append(record(3))
    monkeypatch.setattr(os, "write", real)
    writer.append(record(4))
    found = scan(path)
    assert keys(found) == [0, 1, 2, 4]
    assert found.damaged == []


def test_damage_is_told_on_reading(tmp_path):
    path, places, _ = written(tmp_path)
    data = bytearray(path.read_bytes()[: places[1].offset])
    data[FRAME_BYTES + 5] ^= 1
    with pytest.raises(DamagedError, match="checksum does not fit"):
        check(bytes(data), places[0])
    with pytest.raises(DamagedError, match="checksum does not fit"):
        check(bytes(data[:-1]), places[0])


def test_records_must_have_full_keys():
    with pytest.raises(ValueError, match="20, 20 and 16 bytes, received 3, 20 and 16"):
        pack(ItemRecord(b"abc", bytes(20), bytes(16), "ok", b""), 0.0)


def test_who_may_still_write(tmp_path):
    path, _, _ = written(tmp_path, 1)
    assert may_grow(path)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone = tmp_path / f"{machine()}-{dead.pid}-00.seg"
    gone.write_bytes(b"")
    assert not may_grow(gone)
    foreign = tmp_path / "elsewhere.12345678-1-00.seg"
    foreign.write_bytes(b"")
    assert may_grow(foreign)
    os.utime(foreign, (0, 0))
    assert not may_grow(foreign)
    assert not may_grow(tmp_path / "elsewhere.12345678-1-01.seg")


def kill_at_random(folder, n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(n):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(float(rng.uniform(0, 0.05)))
        process.send_signal(signal.SIGKILL)
        said = [int(line) for line in process.stdout.read().split("\n")[:-1]]
        process.wait()
        process.stdout.close()
        (path,) = folder.glob(f"*-{process.pid}-*.seg")
        found = scan(path)
        assert found.damaged == []
        assert found.end >= max(said, default=0)
        assert not may_grow(path)
        path.unlink()


def test_a_killed_writer_loses_nothing_that_it_reported(tmp_path):
    kill_at_random(tmp_path, 3)


@pytest.mark.slow
def test_a_writer_killed_forty_times(tmp_path):
    kill_at_random(tmp_path, 40)
