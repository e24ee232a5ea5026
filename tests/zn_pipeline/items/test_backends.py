"""The queue of work, and the size of chunks."""

import pytest

from zn_pipeline.items.backends import ChunkSize, SerialBackend, WorkQueue, is_backend


def test_a_queue_gives_each_work_once_in_order():
    queue = WorkQueue([b"1", b"2", b"3"], list)
    assert queue.take(2) == [b"1", b"2"]
    queue.put_back([b"1", b"2"])
    assert queue.take(9) == [b"1", b"2", b"3"]
    assert queue.take(9) == []
    assert len(queue) == 0


def test_a_chunk_takes_about_as_long_as_it_should():
    size = ChunkSize(None, workers=2, target=1.0)
    assert size.next(10_000) == 1
    size.add(0.01, 1)
    assert size.next(10_000) == 100
    assert size.next(100) == 25
    size.add(100.0, 1)
    assert size.next(10_000) == 1


def test_a_chunk_is_as_large_as_asked_for():
    size = ChunkSize(7)
    size.add(100.0, 7)
    assert size.next(1000) == 7


@pytest.mark.parametrize(("value", "expected"), [(SerialBackend(), True), (2, False), ("a", False)])
def test_what_can_compute(value, expected):
    assert is_backend(value) is expected
