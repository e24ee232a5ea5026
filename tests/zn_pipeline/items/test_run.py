"""One run of a map: what is stored is found, what waits is computed, all is told."""

import pytest

import zn_pipeline as zn
from zn_pipeline.items.backends import SerialBackend
from zn_pipeline.items.records import Lost


class Idle:
    """A backend that must not be asked."""

    def run(self, call, queue, store):
        raise AssertionError("there is nothing to compute")


def test_progress_ends_with_all(counting, structures, store):
    told = []
    zn.map(counting.tagged, structures, store=store, progress=lambda *now: told.append(now))
    assert told[0] == (0, 10)
    assert told[-1] == (10, 10)


def test_a_backend_is_not_asked_for_what_is_stored(counting, structures, store):
    zn.map(counting.tagged, structures, store=store)
    zn.map(counting.tagged, structures, store=store, where=Idle())


class Twice(SerialBackend):
    """A backend that is asked once, and then by another driver's keys no more."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def run(self, call, queue, store):
        self.asked.append(len(queue))
        yield from super().run(call, queue, store)


def test_what_another_driver_has_is_waited_for(counting, evaluations, structures, store):
    """And no backend is started for nothing meanwhile."""
    import threading

    backend = Twice()
    first = threading.Thread(
        target=zn.map, args=(counting.slower, structures[:4]), kwargs={"store": store}
    )
    first.start()
    while not store.leases.living():
        pass
    assert len(zn.map(counting.slower, structures[:4], store=store, where=backend)) == 4
    first.join()
    assert evaluations() == 4
    assert backend.asked in ([], [4])


class Walltime:
    """A backend whose every job runs into its walltime; some leave a checkpoint."""

    def __init__(self, checkpoints: int):
        self.left = checkpoints
        self.jobs = 0

    def run(self, call, queue, store):
        while work := queue.take(1):
            self.jobs += 1
            folder = store.scratch(work[0].key)
            folder.mkdir(parents=True, exist_ok=True)
            if self.left:
                self.left -= 1
                (folder / "state").write_text("x" * self.jobs)
            yield Lost((work[0].key,), "timeout", "its walltime was over")


@pytest.mark.parametrize("checkpoints", [0, 5])
def test_what_goes_on_is_not_given_up(counting, structures, store, checkpoints):
    """And what does not go on is, after three jobs."""
    where = Walltime(checkpoints)
    options = {"store": store, "where": where, "on_error": "record"}
    results = zn.map(counting.walk, structures[:1], **options)
    assert where.jobs == checkpoints + 3
    [failure] = results.failures
    assert (failure.kind, failure.attempts) == ("timeout", checkpoints + 3)
    zn.map(counting.walk, structures[:1], **options)
    assert where.jobs == checkpoints + 3
