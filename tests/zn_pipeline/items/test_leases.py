import multiprocessing
import os
import subprocess
import sys
import threading
import time

import pytest

from zn_pipeline.items import leases as module
from zn_pipeline.items.leases import Leases, owner_name
from zn_pipeline.items.segment import machine

TAKE = """
import sys
from pathlib import Path
from zn_pipeline.items.leases import Leases, owner_name
leases, owner = Leases(Path(sys.argv[1])), owner_name()
mine = set()
for start in range(0, 3000, 100):
    mine |= leases.take([n.to_bytes(20, "big") for n in range(start, start + 100)], owner)
print(*[key.hex() for key in mine], flush=True)
sys.stdin.readline()
"""
KEYS = [bytes([n]) * 20 for n in range(10)]


@pytest.fixture
def leases(tmp_path):
    leases = Leases(tmp_path / "leases.sqlite")
    yield leases
    leases.close()


def foreign(name: str) -> str:
    return f"elsewhere.00000000:1:{name}"


def test_a_key_belongs_to_one_driver(leases):
    one, other = owner_name(), owner_name()
    assert leases.take(KEYS[:6], one) == set(KEYS[:6])
    assert leases.take(KEYS, other) == set(KEYS[6:])
    assert leases.take(KEYS[:2], one) == set(KEYS[:2])
    assert leases.living() == {one: 6, other: 4}
    leases.release(one, KEYS[:3])
    assert leases.take(KEYS, other) == set(KEYS[:3] + KEYS[6:])
    leases.release(one)
    leases.release(other)
    assert leases.living() == {}


def test_a_key_of_a_dead_process_is_free_at_once(leases):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    leases.take(KEYS, f"{machine()}:{dead.pid}:x")
    assert leases.living() == {}
    assert leases.take(KEYS, owner_name()) == set(KEYS)


def test_leases_of_another_machine_expire(leases, monkeypatch):
    leases.take(KEYS, foreign("a"))
    mine = owner_name()
    assert leases.take(KEYS, mine) == set()
    now = time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + 100)
    assert leases.renew(foreign("a"))
    monkeypatch.setattr(module.time, "time", lambda: now + 200)
    assert leases.take(KEYS, mine) == set()
    monkeypatch.setattr(module.time, "time", lambda: now + 221)
    assert leases.take(KEYS, mine) == set(KEYS)
    assert not leases.renew(foreign("a"))


def test_a_thread_renews_them_and_the_end_releases_them(leases):
    owner = owner_name()
    leases.take(KEYS, owner)

    def beat() -> float:
        query = "SELECT heartbeat FROM owners"
        return float(leases._db.execute(query).fetchone()[0])

    first = beat()
    with leases.heartbeat(owner, every_seconds=0.01):
        assert module.THREAD in {thread.name for thread in threading.enumerate()}
        deadline = time.monotonic() + 20
        while beat() == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert beat() > first
    assert leases.living() == {}
    assert module.THREAD not in {thread.name for thread in threading.enumerate()}


def test_two_drivers_take_each_key_once(tmp_path):
    command = [sys.executable, "-c", TAKE, str(tmp_path / "l")]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    taken = [set(process.stdout.readline().split()) for process in running]  # type: ignore[union-attr]
    for process in running:
        process.communicate("go\n")
    assert not taken[0] & taken[1]
    assert len(taken[0] | taken[1]) == 3000


def test_a_broken_file_frees_all(leases):
    leases.take(KEYS, foreign("a"))
    leases.close()
    leases.file.write_bytes(b"nonsense" * 1000)
    assert leases.take(KEYS, owner_name()) == set(KEYS)


def test_nothing_is_made_by_asking(leases):
    assert leases.living() == {}
    assert not leases.file.exists()


def _renew(leases: Leases, owner: str) -> None:
    os._exit(0 if leases.renew(owner) else 1)


@pytest.mark.filterwarnings("ignore:os.fork")  # JAX may be about
def test_a_fork_opens_its_own_connection(leases):
    owner = owner_name()
    leases.take(KEYS, owner)
    child = multiprocessing.get_context("fork").Process(target=_renew, args=(leases, owner))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert leases.renew(owner)
