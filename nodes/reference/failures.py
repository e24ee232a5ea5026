"""How a calculation fails: every error says of what kind it is and which files are left of it."""

import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import zn_pipeline as zn

__all__ = [
    "CodeCrashedError",
    "CodeError",
    "CodeMissingError",
    "CodeTimeoutError",
    "NotConvergedError",
    "crash",
]

FailureKind = Literal["calculation", "infrastructure", "timeout", "memory", "killed"]

_OUT_OF_MEMORY = ("std::bad_alloc", "out of memory", "cannot allocate", "insufficient memory")


class CodeError(zn.PipelineError):
    """A calculation has no result.

    Attributes
    ----------
    failure_kind : ``"calculation"`` if the same input would fail again, otherwise what happened to
        it: ``"infrastructure"``, ``"timeout"``, ``"memory"`` or ``"killed"``
    kept_files : files of the calculation that were kept
    """

    failure_kind: FailureKind = "calculation"
    kept_files: tuple[Path, ...] = ()


class NotConvergedError(CodeError):
    """The self-consistent cycle, or another iteration of the code, did not converge."""


class CodeCrashedError(CodeError):
    """The code ended without a result.

    Attributes
    ----------
    exit_code : as ``subprocess`` reports it, negative for a signal; None if it did not say
    """

    def __init__(
        self, message: str, *, kind: FailureKind = "calculation", exit_code: int | None = None
    ) -> None:
        super().__init__(message)
        self.failure_kind = kind
        self.exit_code = exit_code


class CodeTimeoutError(CodeError):
    """The code did not end within its time limit and was stopped."""

    failure_kind = "timeout"


class CodeMissingError(CodeError):
    """A code, or the version of it that is asked for, is not on this machine."""

    failure_kind = "infrastructure"


def crash(name: str, exit_code: int, output: str) -> CodeCrashedError:
    """Return the error for a code that ended by itself or by a signal.

    Parameters
    ----------
    name : of the code
    exit_code : negative for a signal; shells and MPI launchers report signal n as 128 + n
    output : what it wrote last; tells whether memory ran out
    """
    number = -exit_code if exit_code < 0 else exit_code - 128
    if number in (signal.SIGKILL, signal.SIGTERM):
        kind, how = "killed", f"ended by {signal.Signals(number).name}"
    elif exit_code < 0:
        kind, how = "calculation", f"ended by {signal.Signals(number).name}"
    else:
        kind, how = "calculation", f"ended with exit code {exit_code}"
    if any(text in output.lower() for text in _OUT_OF_MEMORY):
        kind = "memory"
    return CodeCrashedError(
        f"{name} must end with a result, received: {how}{_last_lines(output.splitlines())}",
        kind=kind,
        exit_code=exit_code,
    )


def _last_lines(lines: Iterable[str], count: int = 6) -> str:
    found = [line.rstrip() for line in lines if line.strip(" *-=")]
    return "".join(f"\n    {line}" for line in found[-count:])
