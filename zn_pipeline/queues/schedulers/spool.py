"""A queue of this machine's own: detached processes, so many at once, without a daemon.

``python -m zn_pipeline.queues.schedulers.spool FOLDER LIMIT VERB ARGUMENTS...`` prints JSON.

A job is a file ``ID.json`` that moves from ``pending`` to ``running`` to ``finished`` under one
lock. Each of the `limit` slots is a lock file. Whoever speaks to the queue takes the free slots and
hands each to a worker: a detached process that takes the oldest pending job, waits for it, and goes
when nothing is left. Worker and job inherit the lock: a slot stays taken while either lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zn_pipeline.queues.jsonfiles import locked, read_json, write_json

KILL_AFTER_SECONDS = 15.0
PENDING, RUNNING, FINISHED = "pending", "running", "finished"


class Spool:
    """The files of one queue.

    Parameters
    ----------
    folder : its folder, made if needed
    limit : how many jobs run at once
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        for name in (PENDING, RUNNING, FINISHED):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def submit(self, name: str, script: str) -> str:
        """Queue a script; return the id of the job."""
        with self._lock():
            number = int((read_json(self.folder / "last.json") or {"id": 0})["id"]) + 1
            write_json(self.folder / "last.json", {"id": number})
            record = {"id": str(number), "name": name, "script": script}
            write_json(self.folder / PENDING / f"{number:09d}.json", record)
        self.start_workers()
        return str(number)

    def states(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return ``state`` and ``reason`` of jobs; ``unknown`` for those that were never here."""
        self.start_workers()
        with self._lock():
            return {job: self._state(job) for job in ids}

    def find(self, name: str) -> list[str]:
        """Return the ids of waiting or running jobs of a name."""
        with self._lock():
            records = [read_json(path) for path in [*self._all(PENDING), *self._all(RUNNING)]]
            return [
                record["id"]
                for record in records
                if record is not None
                and record["name"] == name
                and "cancelled" not in record
                and self._state(record["id"])["state"] in (PENDING, RUNNING)
            ]

    def cancel(self, ids: Sequence[str]) -> None:
        """End jobs; those that are over are left alone."""
        with self._lock():
            for job in ids:
                waiting, running = self._file(PENDING, job), self._file(RUNNING, job)
                if waiting.exists():
                    self._finish(waiting, {"state": "cancelled"})
                elif (record := read_json(running)) is not None:
                    write_json(running, {**record, "cancelled": time.time()})
                    mark = record.get("process")
                    if mark is not None and is_alive(mark):
                        os.kill(int(mark.split()[1]), signal.SIGTERM)

    def start_workers(self) -> None:
        """Start a worker for each free slot, as far as jobs wait."""
        waiting = len(self._all(PENDING))
        for slot in range(self.limit):
            if waiting <= 0:
                return
            handle = os.open(self.folder / f"slot-{slot}", os.O_RDWR | os.O_CREAT, 0o666)
            try:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._start_worker(slot, handle)
                    waiting -= 1
            finally:
                os.close(handle)

    def work(self, slot: int, handle: int) -> None:
        """Run pending jobs one after the other until there is none; then free the slot."""
        while (path := self._take(slot, handle)) is not None:
            self._run(path, slot, handle)

    def _take(self, slot: int, handle: int) -> Path | None:
        """Move the oldest pending job to `running`, or free the slot: under one lock."""
        with self._lock():
            for path in self._all(PENDING):
                record = read_json(path)
                if record is None:
                    path.unlink()
                    continue
                taken = self.folder / RUNNING / path.name
                write_json(taken, {**record, "slot": slot, "worker": process_mark(os.getpid())})
                path.unlink()
                return taken
            fcntl.flock(handle, fcntl.LOCK_UN)
            return None

    def _run(self, path: Path, slot: int, handle: int) -> None:
        record = read_json(path) or {}
        try:
            process = subprocess.Popen(
                ["/bin/bash", record["script"]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(handle,),
                env={**os.environ, "ZN_SLOT": str(slot), "ZN_JOB_ID": str(record["id"])},
            )
        except OSError as error:
            with self._lock():
                self._finish(path, {"state": "node_fail", "reason": str(error)})
            return
        with self._lock():
            record = read_json(path) or record
            write_json(path, {**record, "process": process_mark(process.pid)})
        code = self._wait(path, process)
        with self._lock():
            cancelled = "cancelled" in (read_json(path) or {})
            state = "cancelled" if cancelled or code < 0 else "failed" if code else "done"
            self._finish(path, {"state": state, "reason": f"exit code {code}"})

    def _wait(self, path: Path, process: subprocess.Popen[bytes]) -> int:
        """Wait for a job; a cancelled one that goes on is killed, and what it leaves behind."""
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(0.5)
                _kill_session(process.pid)
                return code
            record = read_json(path) or {}
            if time.time() - record.get("cancelled", time.time()) > KILL_AFTER_SECONDS:
                _kill_session(process.pid)

    def _state(self, job: str) -> dict[str, Any]:
        if self._file(PENDING, job).exists():
            return {"state": PENDING}
        finished = read_json(self._file(FINISHED, job))
        if finished is not None:
            return {"state": finished["state"], "reason": finished.get("reason", "")}
        record = read_json(self._file(RUNNING, job))
        if record is None:
            return {"state": "unknown"}
        if is_alive(record.get("process")) or is_alive(record["worker"]):
            return {"state": RUNNING}
        state = "cancelled" if "cancelled" in record else "node_fail"
        return {"state": state, "reason": "its process is gone"}

    def _finish(self, path: Path, end: dict[str, Any]) -> None:
        record = read_json(path) or {}
        write_json(self.folder / FINISHED / path.name, {**record, **end, "ended": time.time()})
        path.unlink(missing_ok=True)

    def _start_worker(self, slot: int, handle: int) -> None:
        line = [*command(self.folder, self.limit), "work", str(slot), str(handle)]
        # The shell ends at once: the worker belongs to nobody who would have to wait for it.
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", *line],
            pass_fds=(handle,),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def _lock(self) -> contextlib.AbstractContextManager[None]:
        return locked(self.folder / "lock")

    def _file(self, state: str, job: str) -> Path:
        return self.folder / state / f"{int(job):09d}.json"

    def _all(self, state: str) -> list[Path]:
        return sorted((self.folder / state).glob("[0-9]*.json"))


def command(folder: Path | str, limit: int, python: str = sys.executable) -> list[str]:
    """Return the command line of a queue, but for the verb."""
    module = "zn_pipeline.queues.schedulers.spool"
    return [python, "-P", "-m", module, str(folder), str(limit)]


def process_mark(pid: int) -> str | None:
    """Return what tells a process from all others, past and future; None if it does not run."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else f"{boot} {pid} {fields[18]}"


def is_alive(mark: str | None) -> bool:
    """Whether the process of a mark runs."""
    return mark is not None and process_mark(int(mark.split()[1])) == mark


def _kill_session(leader: int) -> None:
    """Kill every process of a session."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(int(path.name)) == leader:
                os.kill(int(path.name), signal.SIGKILL)


def main(arguments: Sequence[str]) -> None:
    """Do what one command line asks for, and print the answer."""
    folder, limit, verb, *rest = arguments
    spool = Spool(Path(folder), int(limit))
    verbs: dict[str, Callable[[], Any]] = {
        "submit": lambda: spool.submit(rest[0], rest[1]),
        "states": lambda: spool.states(rest),
        "find": lambda: spool.find(rest[0]),
        "cancel": lambda: spool.cancel(rest),
        "work": lambda: spool.work(int(rest[0]), int(rest[1])),
    }
    print(json.dumps(verbs[verb]()))


if __name__ == "__main__":
    main(sys.argv[1:])
