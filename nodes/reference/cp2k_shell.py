"""One ``cp2k_shell`` for all structures of a worker."""

import os
import selectors
import shlex
import subprocess
import tempfile
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress

from nodes.reference.failures import (
    CodeCrashedError,
    CodeError,
    CodeTimeoutError,
    NotConvergedError,
    crash,
)
from nodes.reference.processes import Process
from nodes.reference.program import tail
from nodes.reference.rundir import FileCodeCalculator, work_root

if TYPE_CHECKING:
    from nodes.reference.cp2k import Cp2k

__all__ = ["Shell", "ShellCalculator", "ShellEndedError"]

_READY = "* READY"


class ShellEndedError(Exception):
    """The shell is gone, or speaks of an error."""


class Shell:
    """A running ``cp2k_shell`` and how it is spoken to.

    Parameters
    ----------
    spec : says how it is started
    folder : where it runs; names of files are relative to it
    """

    def __init__(self, spec: "Cp2k", folder: Path) -> None:
        self._limit = spec.time_limit_s
        self._buffer = b""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the shell
        try:
            self._process = Process(
                shlex.split(spec.command),
                folder,
                environment=spec.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
            )
        except BaseException:
            self._stderr.close()
            raise
        stdin, stdout = self._process.popen.stdin, self._process.popen.stdout
        assert stdin is not None
        assert stdout is not None
        self._stdin, self._stdout = stdin, stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(stdout, selectors.EVENT_READ)
        self.restart_clock()
        try:
            while self._receive() != _READY:  # a banner may come first
                pass
        except ShellEndedError:
            error = self.ended("")
            self.close()
            raise error from None

    @property
    def pid(self) -> int:
        """Id of the process and of its group."""
        return self._process.popen.pid

    @property
    def alive(self) -> bool:
        """Whether it runs, and was started by this process."""
        return self._process.ours and self._process.exit_code is None

    def restart_clock(self) -> None:
        """Let the time limit begin now."""
        self._deadline = None if self._limit is None else time.monotonic() + self._limit

    def ask(self, *lines: str, answer: int = 0) -> list[list[str]]:
        """Send a command and return the words of its answer.

        Parameters
        ----------
        lines : of the command
        answer : number of lines of the answer

        Raises
        ------
        ShellEndedError
            If there is no proper answer.
        CodeTimeoutError
            If there is none within the time limit.
        """
        try:
            self._stdin.write("".join(f"{line}\n" for line in lines).encode())
            self._stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise ShellEndedError("") from error
        heard = [self._receive() for _ in range(answer)]
        end = self._receive()
        if end != _READY:
            raise ShellEndedError(" ".join([*heard, end]))
        return [line.split() for line in heard]

    def _receive(self) -> str:
        """Return the next line."""
        while b"\n" not in self._buffer:
            left = None if self._deadline is None else self._deadline - time.monotonic()
            if (left is not None and left <= 0) or not self._selector.select(left):
                raise CodeTimeoutError(
                    f"CP2K must answer within time_limit_s={self._limit}, received nothing; "
                    "allow more time or make the calculation smaller"
                )
            data = os.read(self._stdout.fileno(), 65536)
            if not data:
                raise ShellEndedError("")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        text = line.decode(errors="replace").strip()
        if text.startswith("* ERROR"):
            raise ShellEndedError(text)
        return text

    def ended(self, output: str, said: str = "") -> CodeError:
        """Return the error for a shell that does not answer properly.

        Parameters
        ----------
        output : end of the output file
        said : what it answered instead
        """
        if said:
            return CodeCrashedError(f'CP2K must answer, received "{said}"\n{output[-800:]}')
        self._stderr.seek(0)
        noise = self._stderr.read().decode(errors="replace")
        try:
            exit_code = self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            return CodeCrashedError(f"CP2K must answer, received an error\n{output[-800:]}")
        return crash("CP2K", exit_code, noise + output)

    def close(self) -> None:
        """End the shell with all that it has started; nothing happens in a forked process."""
        if not self._process.ours:
            return
        if self.alive:
            try:
                self._stdin.write(b"EXIT\n")
                self._stdin.flush()
                self._process.wait(2.0)
            except (BrokenPipeError, ValueError, subprocess.TimeoutExpired):  # killed below
                pass
        self._selector.close()
        self._process.kill()
        self._stderr.close()


class ShellCalculator(FileCodeCalculator):
    """Hands structures to a shell, and starts a new one when it has died."""

    spec: "Cp2k"

    def __init__(self, spec: "Cp2k", directory: Path | None = None) -> None:
        super().__init__(spec, directory)
        self.shell: Shell | None = None
        self._loaded: _Loaded | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None

    def evaluate(self, atoms: Atoms, properties: Sequence[str]) -> dict[str, Any]:
        """Return the results for one structure."""
        shell = self._running_shell()
        try:
            if self._loaded is None or not self._loaded.suits(atoms):
                self._unload()
                self._loaded = _Loaded(self, shell, atoms)
            results = self._loaded.calculate(atoms)
        except BaseException as error:
            self._unload(error)
            raise
        if not self.spec.reuse_orbitals:
            self._unload()
        return results

    def close(self) -> None:
        """End the shell; it is started again when needed."""
        self._unload()
        self._end_shell()

    def _running_shell(self) -> Shell:
        """Return the shell; one that has died, or was started before a fork, is replaced."""
        if self.shell is not None and not self.shell.alive:
            self.close()
        if self.shell is None:
            self.shell = Shell(self.spec, work_root(self.root, self.spec.scratch))
            self._finalizer = weakref.finalize(self, Shell.close, self.shell)
        self.shell.restart_clock()
        return self.shell

    def _unload(self, error: BaseException | None = None) -> None:
        """Leave the folder of the structure; only after known errors the shell can be trusted."""
        if error is not None and not isinstance(error, NotConvergedError):
            self._end_shell()
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded.close(error)

    def _end_shell(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self.shell = self._finalizer = None


class _Loaded:
    """One structure in the shell, with its folder."""

    def __init__(self, calculator: ShellCalculator, shell: Shell, atoms: Atoms) -> None:
        self.spec, self.shell = calculator.spec, shell
        self.kind = _kind(self.spec, atoms)
        self.read_up_to = 0
        self.env = ""
        context = calculator.folder(atoms)
        self.leave = context.__exit__
        self.output: Path = context.__enter__() / "cp2k.out"
        try:
            self._load(atoms)
        except BaseException as error:
            if not isinstance(error, NotConvergedError):
                shell.close()
            self.close(error)
            raise

    def suits(self, atoms: Atoms) -> bool:
        """Whether `atoms` differ from the structures before by their positions alone."""
        return self.kind == _kind(self.spec, atoms)

    def _load(self, atoms: Atoms) -> None:
        name = self.output.parent.name
        text = self.spec.input_text(atoms, f"{name}/cp2k")
        self.output.with_suffix(".inp").write_text(text)
        try:
            self.env = self.shell.ask(f"LOAD {name}/cp2k.inp {name}/cp2k.out", answer=1)[0][0]
            self.shell.ask("UNITS_EV_A")
        except ShellEndedError as error:
            raise self.shell.ended(tail(self.output), str(error)) from error

    def calculate(self, atoms: Atoms) -> dict[str, Any]:
        """Send positions and return the results."""
        env = self.env
        rows = [" ".join(f"{x:.16e}" for x in row) for row in atoms.positions]
        try:
            self.shell.ask(f"SET_POS {env}", f"{3 * len(rows)}", *rows, "*END", answer=1)
            self.shell.ask(f"EVAL_EF {env}")
            self._check_output()
            energy = float(self.shell.ask(f"GET_E {env}", answer=1)[0][0])
            lines = self.shell.ask(f"GET_F {env}", answer=len(atoms) + 2)[1:-1]
            results: dict[str, Any] = {
                "energy": energy,
                "free_energy": energy,
                "forces": np.array(lines, float),
            }
            if atoms.pbc.any():
                words = self.shell.ask(f"GET_STRESS {env}", answer=1)[0]
                stress = np.array(words, float).reshape(3, 3)
                # CP2K counts compression as positive.
                results["stress"] = -full_3x3_to_voigt_6_stress(stress)
        except ShellEndedError as error:
            self._check_output()
            raise self.shell.ended(tail(self.output), str(error)) from error
        return results

    def _check_output(self) -> None:
        """Raise the fitting CodeError for what was printed since the last structure."""
        if not self.output.is_file():
            return
        with self.output.open("rb") as stream:
            stream.seek(self.read_up_to)
            text = stream.read().decode(errors="replace")
        if not self.read_up_to:
            self.spec.check_version(text)
        self.read_up_to += len(text.encode())
        if "SCF run NOT converged" in text:
            raise NotConvergedError(
                "the SCF cycle of CP2K must converge within "
                f"{self.spec.max_iterations} iterations, received none that did; "
                "raise max_iterations, or change mixing or smearing in template"
            )

    def close(self, error: BaseException | None = None) -> None:
        """Take the structure out of the shell and leave its folder."""
        if self.env and self.shell.alive:
            try:
                self.shell.ask(f"DESTROY {self.env}")
            except (ShellEndedError, CodeTimeoutError):  # noticed before the next structure
                self.shell.close()
        self.env = ""
        self.leave(type(error) if error else None, error, None)


def _kind(spec: "Cp2k", atoms: Atoms) -> tuple[Any, ...]:
    return (
        atoms.numbers.tobytes(),
        atoms.cell.array.tobytes(),
        tuple(atoms.pbc.tolist()),
        atoms.get_initial_magnetic_moments().tobytes(),
        spec.state_of(atoms),
    )
