"""Commands and files of a pool: on this machine, or over one ssh connection.

Every file has a name made of its content's hash, so a copy that broke is simply made again:
``rsync`` goes on with what has arrived, and nothing needs to be cleaned by hand.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from zn_pipeline.errors import PipelineError

CONNECTION_LOST = 255
VANISHED = 24  # what rsync says when a running job removed one of its files
PARTIAL = ".partial"
COMMAND_SECONDS = 60.0
COPY_SECONDS = 3600.0


class TransportError(PipelineError):
    """The other machine cannot be reached, or a copy does not succeed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What a command said.

    Attributes
    ----------
    code : exit code; 124 if it was ended because it took too long, 127 if it does not exist
    """

    code: int
    out: str
    err: str


class Transport(abc.ABC):
    """Where jobs live: commands there, and copies of their folders.

    Attributes
    ----------
    local : folder of all job folders on this machine
    root : the same folder as the jobs see it
    """

    local: Path
    root: str

    @abc.abstractmethod
    def run(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float = COMMAND_SECONDS,
        again: bool = True,
    ) -> Answer:
        """Run a command and wait for it.

        Parameters
        ----------
        again : whether the command may be run twice if the connection breaks

        Raises
        ------
        TransportError
            If the other machine cannot be reached.
        """

    @abc.abstractmethod
    def push(self, name: str, *, skip: Iterable[str] = ()) -> None:
        """Bring a job folder there; `skip` names files that stay here."""

    @abc.abstractmethod
    def pull(self, name: str, *, skip: Iterable[str] = ()) -> None:
        """Bring a job folder here."""

    @abc.abstractmethod
    def pull_files(self, names: Iterable[str], files: Iterable[str]) -> None:
        """Bring these small files of many job folders here, as far as they exist."""

    @abc.abstractmethod
    def remove(self, name: str) -> None:
        """Remove a job folder there."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the connection."""

    def folder(self, name: str) -> str:
        """Return a job's folder as the job sees it."""
        return f"{self.root}/{name}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Local(Transport):
    """The driver's machine: there is nothing to copy."""

    def __init__(self, folder: Path) -> None:
        self.local = folder.resolve()
        self.root = str(self.local)

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float = COMMAND_SECONDS,
        again: bool = True,
    ) -> Answer:
        """Run a command."""
        del again
        return _run(command, timeout_seconds)

    def push(self, name: str, *, skip: Iterable[str] = ()) -> None:
        """Do nothing."""

    def pull(self, name: str, *, skip: Iterable[str] = ()) -> None:
        """Do nothing."""

    def pull_files(self, names: Iterable[str], files: Iterable[str]) -> None:
        """Do nothing."""

    def remove(self, name: str) -> None:
        """Do nothing: the folder here is the folder there."""

    def close(self) -> None:
        """Do nothing."""


class Ssh(Transport):
    """Another machine, over one connection that all commands and copies share.

    Parameters
    ----------
    host : anything that ``ssh`` accepts, such as ``user@host`` or an alias of ``~/.ssh/config``
    local : folder of all job folders on this machine
    folder : the same on the other machine; from the home folder there unless it is absolute
    config_file : file for ``ssh -F``
    login_shell : run commands in a login shell, where the queue's commands need its settings
    attempts : how often a broken command or copy is tried
    pause_seconds : wait before the second attempt; doubles with each further one
    """

    def __init__(
        self,
        host: str,
        local: Path,
        folder: str = "zn_pipeline",
        *,
        config_file: Path | str | None = None,
        login_shell: bool = False,
        attempts: int = 6,
        pause_seconds: float = 1.0,
    ) -> None:
        self.host = host
        self.local = local.resolve()
        self.login_shell = login_shell
        self.attempts = attempts
        self.pause_seconds = pause_seconds
        self._asked = folder.removeprefix("~/")
        self._found: str | None = None
        self._config_file = Path(config_file).expanduser() if config_file else None
        self._private: Path | None = None

    @property
    def root(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Absolute path of the folder on the other machine; made when first asked for."""
        if self._found is None:
            place = shlex.quote(self._asked)
            answer = self.run(["sh", "-c", f"mkdir -p {place} && cd {place} && pwd -P"])
            lines = answer.out.splitlines()
            if answer.code or not lines:
                raise TransportError(
                    f"the folder {self._asked!r} on {self.host} must be one that can be made, "
                    f"received: {answer.err.strip()}"
                )
            self._found = lines[-1]
        return self._found

    @property
    def options(self) -> list[str]:
        """Options of every ``ssh``; the socket lies in a private folder with a short path."""
        private = self._open()
        config = ["-F", str(self._config_file)] if self._config_file else []
        settings = {
            "BatchMode": "yes",
            "ConnectTimeout": "15",
            "ServerAliveInterval": "15",
            "ServerAliveCountMax": "4",
            "ControlMaster": "auto",
            "ControlPath": f"{private}/%C",
            "ControlPersist": "300",
        }
        return [*config, *(part for pair in settings.items() for part in ("-o", "=".join(pair)))]

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float = COMMAND_SECONDS,
        again: bool = True,
    ) -> Answer:
        """Run a command there; blanks and quotes in it are kept."""
        line = shlex.join(command)
        if self.login_shell:
            line = shlex.join(["bash", "-lc", line])
        full = ["ssh", *self.options, self.host, line]
        answer = Answer(CONNECTION_LOST, "", "")
        for attempt in range(self.attempts if again else 1):
            self._pause(attempt)
            answer = _run(full, timeout_seconds)
            if answer.code != CONNECTION_LOST:
                return answer
        raise TransportError(f"{self.host} must answer over ssh, received: {answer.err.strip()}")

    def push(self, name: str, *, skip: Iterable[str] = ()) -> None:
        """Bring a job folder there."""
        there = f"{self.host}:{self.folder(name)}/"
        self._rsync([*_without(skip), f"{self.local / name}/", there])

    def pull(self, name: str, *, skip: Iterable[str] = ()) -> None:
        """Bring a job folder here."""
        (self.local / name).mkdir(parents=True, exist_ok=True)
        there = f"{self.host}:{self.folder(name)}/"
        self._rsync([*_without(skip), there, f"{self.local / name}/"])

    def pull_files(self, names: Iterable[str], files: Iterable[str]) -> None:
        """Bring these files of many job folders here, in one go."""
        wanted = [f"/{name}/" for name in names]
        if not wanted:
            return
        wanted += [f"{folder}{file}" for folder in wanted for file in files]
        rules = [*(f"--include={pattern}" for pattern in wanted), "--exclude=*"]
        self._rsync(["--prune-empty-dirs", *rules, f"{self.host}:{self.root}/", f"{self.local}/"])

    def remove(self, name: str) -> None:
        """Remove a job folder there."""
        self.run(["rm", "-rf", "--", self.folder(name)])

    def close(self) -> None:
        """Close the connection and remove its socket."""
        if self._private is not None:
            self._hang_up()
            shutil.rmtree(self._private, ignore_errors=True)
            self._private = None

    def _open(self) -> Path:
        """Make the folder of the socket, and what ``rsync`` calls in place of ``ssh``."""
        if self._private is None:
            # A socket's path is short; a folder for temporary files may be deep.
            self._private = Path(tempfile.mkdtemp(prefix="zn-ssh-", dir="/tmp"))
            shell = self._private / "ssh"
            shell.write_text(f'#!/bin/sh\nexec ssh {shlex.join(self.options)} "$@"\n')
            shell.chmod(0o700)
        return self._private

    def _rsync(self, arguments: Sequence[str]) -> None:
        settings = [
            "--recursive",
            "--links",
            "--times",
            "--perms",
            "--protect-args",
            f"--partial-dir={PARTIAL}",
            "--timeout=60",
        ]
        command = ["rsync", *settings, "-e", str(self._open() / "ssh"), *arguments]
        answer = Answer(0, "", "")
        for attempt in range(self.attempts):
            self._pause(attempt)
            answer = _run(command, COPY_SECONDS)
            if answer.code in (0, VANISHED):
                return
        raise TransportError(
            f"rsync with {self.host} must succeed, received exit code {answer.code}: "
            f"{answer.err.strip()}"
        )

    def _pause(self, attempt: int) -> None:
        if attempt:
            self._hang_up()
            time.sleep(self.pause_seconds * 2 ** (attempt - 1))

    def _hang_up(self) -> None:
        """Forget a connection that may be broken; the next command opens another one."""
        with contextlib.suppress(TransportError):
            _run(["ssh", *self.options, "-O", "exit", self.host], 10)
        for socket in self._open().glob("*"):
            if socket.name != "ssh":
                socket.unlink(missing_ok=True)


def _without(files: Iterable[str]) -> list[str]:
    return [f"--exclude=/{file}" for file in files] + [f"--exclude={PARTIAL}"]


def _run(command: Sequence[str], timeout_seconds: float) -> Answer:
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired:
        return Answer(124, "", f"{command[0]} did not end within {timeout_seconds:g} s")
    except OSError as error:
        return Answer(127, "", f"{command[0]}: {error.strerror}")
    return Answer(done.returncode, done.stdout, done.stderr)
