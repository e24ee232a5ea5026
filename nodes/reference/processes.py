"""External programs: each in a process group of its own that never outlives the caller."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from nodes.reference.failures import CodeMissingError, CodeTimeoutError

__all__ = ["Process", "run_program"]

# Reads one line from the caller. If the caller is gone instead, the whole group goes as well.
_GUARD = 'read -r line || kill -s KILL -- "-$1"'
_GRACE_S = 2.0


class Process:
    """A running program with all that it starts.

    The group is killed as a whole, by :meth:`kill` or by a small guard process as soon as the
    caller is gone, even if that was killed itself. A copy of the object in a forked process does
    nothing to the program.

    Parameters
    ----------
    command : words of the command
    folder : where it runs
    environment : on top of the caller's; ``OMP_NUM_THREADS`` is 1 if neither says otherwise

    Raises
    ------
    CodeMissingError
        If the command cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        environment: Mapping[str, str],
        stdin: int | IO[Any] = subprocess.DEVNULL,
        stdout: int | IO[Any] = subprocess.DEVNULL,
        stderr: int | IO[Any] = subprocess.DEVNULL,
    ) -> None:
        self.owner = os.getpid()
        try:
            self.popen = subprocess.Popen(
                command,
                cwd=folder,
                env={"OMP_NUM_THREADS": "1", **os.environ, **environment},
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise CodeMissingError(
                f"{command[0]} must be a command on this machine, received {error.strerror}; "
                f"install it, load its module, or give its path in {shlex.join(command)!r}"
            ) from error
        reading, self._writing = os.pipe()
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self.popen.pid)],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(reading)

    @property
    def ours(self) -> bool:
        """Whether this process started the program, and is not a fork of the one that did."""
        return self.owner == os.getpid()

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self.popen.poll()

    def wait(self, time_limit_s: float | None) -> int:
        """Wait for the end and return the exit code.

        Raises
        ------
        subprocess.TimeoutExpired
            If it still runs after `time_limit_s`.
        """
        return self.popen.wait(time_limit_s)

    def kill(self) -> None:
        """End the program with all that it has started; politely at first. May be repeated."""
        if not self.ours or self._writing < 0:
            return
        if self.popen.poll() is None:
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + _GRACE_S
            while self.popen.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
        self._signal(signal.SIGKILL)
        self.popen.wait()
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                with suppress(OSError):  # what it had still to read is lost with it
                    stream.close()
        os.write(self._writing, b"\n")
        os.close(self._writing)
        self._writing = -1
        self._guard.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # the last of the group has ended
            os.killpg(self.popen.pid, number)


def run_program(
    command: Sequence[str],
    folder: Path,
    *,
    output: str,
    environment: Mapping[str, str],
    stdin: str | None = None,
    time_limit_s: float | None = None,
) -> int:
    """Run a program to its end and return its exit code, negative for a signal.

    Parameters
    ----------
    command : words of the command
    folder : where it runs
    output : file in `folder` that takes stdout and stderr
    environment : on top of the caller's
    stdin : file in `folder` that it reads
    time_limit_s : it is killed when it takes longer

    Raises
    ------
    CodeMissingError
        If the command cannot be started.
    CodeTimeoutError
        If it takes longer than `time_limit_s`.
    """
    source = os.devnull if stdin is None else folder / stdin
    with open(source, "rb") as reading, (folder / output).open("ab") as writing:  # noqa: PTH123
        process = Process(
            command,
            folder,
            environment=environment,
            stdin=reading,
            stdout=writing,
            stderr=subprocess.STDOUT,
        )
        try:
            return process.wait(time_limit_s)
        except subprocess.TimeoutExpired:
            raise CodeTimeoutError(
                f"{command[0]} must end within time_limit_s={time_limit_s:g}, received none of "
                "its results by then; allow more time or make the calculation smaller"
            ) from None
        finally:
            process.kill()
