"""One ``pw.x`` that is sent positions: the i-PI protocol over a Unix socket."""

import os
import shlex
import socket
import subprocess
import time
import uuid
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.socketio import IPIProtocol, SocketClosed, actualunixsocketname
from ase.stress import full_3x3_to_voigt_6_stress

from nodes.reference.electrons import total_charge
from nodes.reference.failures import CodeCrashedError, CodeError, CodeTimeoutError, crash
from nodes.reference.processes import Process
from nodes.reference.program import tail
from nodes.reference.rundir import FileCodeCalculator

if TYPE_CHECKING:
    from nodes.reference.espresso import QuantumEspresso

__all__ = ["SocketCalculator"]

_ACCEPT_S = 0.2


class SocketCalculator(FileCodeCalculator):
    """Keeps ``pw.x`` running from one structure to the next of the same kind."""

    spec: "QuantumEspresso"

    def __init__(self, spec: "QuantumEspresso", directory: Path | None = None) -> None:
        super().__init__(spec, directory)
        self._session: _Session | None = None

    def evaluate(self, atoms: Atoms, properties: Sequence[str]) -> dict[str, Any]:
        """Return the results for one structure."""
        session = self._session
        if session is not None and not session.suits(atoms):
            self.close()
            session = None
        if session is None:
            session = self._session = _Session(self, atoms)
        try:
            return session.calculate(atoms)
        except BaseException as error:
            self._session = None
            session.close(error)
            raise

    def close(self) -> None:
        """End ``pw.x``; it is started again when needed."""
        if self._session is not None:
            self._session.close()
            self._session = None


class _Session:
    """One running ``pw.x`` and its folder."""

    def __init__(self, calculator: SocketCalculator, atoms: Atoms) -> None:
        self.spec = calculator.spec
        self.owner = os.getpid()
        self.kind = _kind(atoms, self.spec.charge)
        self.stack = ExitStack()
        self.protocol: IPIProtocol | None = None
        self.read_up_to = 0
        self._finalizer = weakref.finalize(calculator, _Session.close, self)
        try:
            self.folder: Path = self.stack.enter_context(calculator.folder(atoms))
            self._start(atoms)
        except BaseException as error:
            self.close(error)
            raise

    def _start(self, atoms: Atoms) -> None:
        """Listen and start the code; it connects once it has read its input."""
        name = f"znp_{os.getpid()}_{uuid.uuid4().hex[:8]}"
        path = actualunixsocketname(name)
        self.server = self.stack.enter_context(socket.socket(socket.AF_UNIX))
        self.server.bind(path)
        self.stack.callback(Path(path).unlink, missing_ok=True)
        self.server.listen(1)
        self.server.settimeout(_ACCEPT_S)
        wanted = ("forces", "stress") if atoms.pbc.any() else ("forces",)
        self.spec.write_input(atoms, wanted, self.folder)
        output = self.stack.enter_context((self.folder / "espresso.pwo").open("wb"))
        self.process = Process(
            [*shlex.split(self.spec.command), "-in", "espresso.pwi", "--ipi", f"{name}:UNIX"],
            self.folder,
            environment=self.spec.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        self.stack.callback(self.process.kill)

    def suits(self, atoms: Atoms) -> bool:
        """Whether `atoms` differ from the structures before by their positions alone."""
        alive = self.owner == os.getpid() and self.process.exit_code is None
        return alive and self.kind == _kind(atoms, self.spec.charge)

    def calculate(self, atoms: Atoms) -> dict[str, Any]:
        """Send positions, wait, and return the results."""
        limit = self.spec.time_limit_s
        deadline = None if limit is None else time.monotonic() + limit
        try:
            protocol = self.protocol or self._accept(deadline)
            found = protocol.calculate(atoms.positions, atoms.cell.array)
        except TimeoutError:
            raise CodeTimeoutError(
                f"pw.x must answer within time_limit_s={limit}, received nothing; "
                "allow more time or make the calculation smaller"
            ) from None
        except (SocketClosed, ConnectionError, AssertionError) as error:
            self._check_output()
            raise self._ended() from error
        self._check_output()
        results: dict[str, Any] = dict.fromkeys(("energy", "free_energy"), found["energy"])
        results["forces"] = found["forces"]
        results["stress"] = full_3x3_to_voigt_6_stress(-found["virial"] / atoms.get_volume())
        return results

    def _accept(self, deadline: float | None) -> IPIProtocol:
        """Wait until the code connects."""
        while True:
            try:
                connection, _ = self.server.accept()
                break
            except TimeoutError:
                if self.process.exit_code is not None:
                    self._check_output()
                    raise self._ended() from None
                if deadline is not None and time.monotonic() > deadline:
                    raise
        self.stack.enter_context(connection)
        connection.settimeout(self.spec.time_limit_s)
        self.protocol = IPIProtocol(connection)
        return self.protocol

    def _check_output(self) -> None:
        """Raise the fitting CodeError for what was printed since the last structure."""
        with (self.folder / "espresso.pwo").open("rb") as stream:
            stream.seek(self.read_up_to)
            text = stream.read().decode(errors="replace")
        if not self.read_up_to:
            self.spec.check_version(text[:2000])
        self.read_up_to += len(text.encode())
        self.spec.check_convergence(text)

    def _ended(self) -> CodeError:
        """Return the error for a process that hung up."""
        try:
            exit_code = self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            return CodeCrashedError("pw.x must answer on its socket, received a closed one")
        return crash("pw.x", exit_code, tail(self.folder / "espresso.pwo"))

    def close(self, error: BaseException | None = None) -> None:
        """End the code, remove the socket, and keep of the folder what is to be kept."""
        self._finalizer.detach()
        if self.owner != os.getpid():
            return
        if self.protocol is not None and error is None:
            try:
                self.protocol.end()
                self.process.wait(5.0)
            except (OSError, subprocess.TimeoutExpired):  # it is gone, or is killed below
                pass
        self.protocol = None
        self.stack.__exit__(type(error) if error else None, error, None)


def _kind(atoms: Atoms, charge: int | None) -> tuple[Any, ...]:
    moments = atoms.get_initial_magnetic_moments()
    return (
        atoms.numbers.tobytes(),
        np.asarray(atoms.cell.array).tobytes(),
        tuple(atoms.pbc.tolist()),
        total_charge(atoms, charge),
        np.asarray(moments).tobytes(),
    )
