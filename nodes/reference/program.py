"""Codes that are run as a command: command, threads, time limit, version."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from nodes.reference.failures import CodeMissingError, crash
from nodes.reference.processes import run_program
from nodes.reference.rundir import FileCode

__all__ = ["ProgramCode", "tail"]


@dataclass(frozen=True, kw_only=True)
class ProgramCode(FileCode):
    """Base of the specs of codes that are run as a command.

    Parameters
    ----------
    command : how the code is started, with its MPI launcher if it needs one
    version : version of the code that must be there (or its beginning). It is part of the key of
        the results, unlike the command: a new version computes anew.
    environment : variables on top of those of the worker, such as ``OMP_NUM_THREADS``
    time_limit_s : limit for one calculation; None sets none
    keep, scratch : see :class:`~nodes.reference.rundir.FileCode`
    """

    version_pattern: ClassVar[str]

    command: str = field(default="", metadata={"key": False})
    version: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict, metadata={"key": False})
    time_limit_s: float | None = field(default=None, metadata={"key": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.command.strip():
            raise ValueError(f"command must start {self.code}, received {self.command!r}")
        if self.time_limit_s is not None and self.time_limit_s <= 0:
            raise ValueError(f"time_limit_s must be positive, received {self.time_limit_s}")

    def run(
        self,
        folder: Path,
        *,
        output: str,
        arguments: Sequence[str] = (),
        command: str | None = None,
        stdin: str | None = None,
    ) -> int:
        """Run the code in `folder`, write what it prints to `output` and return its exit code.

        Raises
        ------
        CodeMissingError, CodeTimeoutError
            If it cannot be started, or takes too long.
        CodeCrashedError
            If it is ended by a signal.
        """
        exit_code = run_program(
            [*shlex.split(command or self.command), *arguments],
            folder,
            output=output,
            environment=self.environment,
            stdin=stdin,
            time_limit_s=self.time_limit_s,
        )
        if exit_code < 0 or exit_code in (137, 143):
            raise crash(self.code, exit_code, tail(folder / output))
        if exit_code in (126, 127):
            raise CodeMissingError(
                f"{command or self.command} must start {self.code} on this machine, received exit "
                f"code {exit_code}: {tail(folder / output, 500).strip()}"
            )
        return exit_code

    def check_version(self, output: str) -> None:
        """Raise CodeMissingError if `output` is that of another version than the wanted one."""
        found = re.search(self.version_pattern, output)
        if self.version is not None and found and not found[1].startswith(self.version):
            raise CodeMissingError(
                f"the version of {self.code} must be {self.version}, received {found[1]} from "
                f"{self.command}; give the command of the right one, or change version"
            )


def tail(path: Path, size: int = 20_000) -> str:
    """Return the end of a text file, or nothing if there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - size))
        return stream.read().decode(errors="replace")
