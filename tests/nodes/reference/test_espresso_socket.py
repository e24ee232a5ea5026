"""The protocol with a stand-in for ``pw.x``; the real one is in ``test_espresso.py``."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from nodes.reference.espresso import QuantumEspresso
from nodes.reference.failures import CodeCrashedError, CodeTimeoutError, NotConvergedError

# Energy is the sum of squares of the positions, in the code's own units.
FAKE = """
import socket, struct, sys, time
name = sys.argv[sys.argv.index("--ipi") + 1].partition(":")[0]
how = sys.argv[1]
if how == "early":
    sys.exit(7)
link = socket.socket(socket.AF_UNIX)
link.connect("/tmp/ipi_" + name)
print("Program PWSCF v.6.7", flush=True)

def take(size):
    data = b""
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            sys.exit(0)
        data += part
    return data

def word(text):
    link.sendall(text.ljust(12).encode())

state, positions = "READY", ()
while True:
    said = take(12).decode().strip()
    if said == "STATUS":
        word(state)
    elif said == "POSDATA":
        take(144)
        count = struct.unpack("i", take(4))[0]
        positions = struct.unpack(f"{3 * count}d", take(24 * count))
        if how == "hang":
            time.sleep(300)
        if how == "unconverged":
            print("convergence NOT achieved after 1 iterations", flush=True)
        state = "HAVEDATA"
    elif said == "GETFORCE":
        word("FORCEREADY")
        link.sendall(struct.pack("d", sum(x * x for x in positions)))
        link.sendall(struct.pack("i", len(positions) // 3))
        link.sendall(struct.pack(f"{len(positions)}d", *(-2 * x for x in positions)))
        link.sendall(struct.pack("9d", 1, 0, 0, 0, 2, 0, 0, 0, 3))
        link.sendall(struct.pack("i", 1) + b"x")
        state = "READY"
    elif said == "EXIT":
        sys.exit(255)
"""


@pytest.fixture
def make(tmp_path):
    (tmp_path / "fake.py").write_text(FAKE)
    (tmp_path / "He.UPF").write_text("<UPF>")
    made = []

    def calculator(how="good", **settings):
        command = f"{sys.executable} -S {tmp_path / 'fake.py'} {how}"
        spec = QuantumEspresso(
            {"He": tmp_path / "He.UPF"}, 20, socket=True, command=command, **settings
        )
        made.append(spec.get_calculator(tmp_path / "runs"))
        return made[-1]

    yield calculator
    for each in made:
        each.close()
    assert not list(Path("/tmp").glob(f"ipi_znp_{os.getpid()}_*"))


def helium(seed=0, edge=5.0):
    positions = np.random.default_rng(seed).random((2, 3))
    return Atoms("He2", positions, cell=[edge] * 3, pbc=True)


def test_results_are_in_the_units_of_ase(make):
    from ase.units import Bohr, Ha

    calc = make()
    atoms = helium()
    calc.calculate(atoms, ["energy", "forces", "stress"])
    scaled = atoms.positions / Bohr
    assert calc.results["energy"] == pytest.approx(Ha * (scaled**2).sum())
    np.testing.assert_allclose(calc.results["forces"], -2 * scaled * Ha / Bohr)
    virial = np.array([1, 2, 3, 0, 0, 0]) * Ha
    np.testing.assert_allclose(calc.results["stress"], -virial / atoms.get_volume())


def test_one_process_serves_structures_that_differ_by_positions(make, tmp_path):
    calc = make()
    for seed in range(3):
        calc.calculate(helium(seed))
    assert len(list((tmp_path / "runs").iterdir())) == 1
    calc.calculate(helium(edge=6.0))
    molecule = helium()
    molecule.pbc = False
    calc.calculate(molecule)
    assert "stress" not in calc.results
    assert len(list((tmp_path / "runs").iterdir())) == 3


def test_failures_are_told_apart_and_files_kept(make):
    with pytest.raises(NotConvergedError) as caught:
        make("unconverged").calculate(helium())
    assert {path.name for path in caught.value.kept_files} == {"espresso.pwi", "espresso.pwo"}
    with pytest.raises(CodeTimeoutError, match=r"time_limit_s=0.5"):
        make("hang", time_limit_s=0.5).calculate(helium())
    with pytest.raises(CodeCrashedError, match="exit code 7"):
        make("early").calculate(helium())


def test_a_process_that_is_killed_fails_its_structure_and_is_started_again(make):
    calc = make("hang")

    def kill():
        time.sleep(0.4)
        os.killpg(calc._session.process.popen.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(CodeCrashedError) as caught:
        calc.calculate(helium())
    thread.join()
    assert caught.value.failure_kind == "killed"
    good = make()
    good.calculate(helium())
    pid = good._session.process.popen.pid
    os.killpg(pid, signal.SIGKILL)
    good._session.process.wait(5.0)
    good.calculate(helium(1))
    assert good._session.process.popen.pid != pid


@pytest.mark.filterwarnings("ignore:os.fork")  # JAX may be about
def test_a_fork_starts_its_own_process_and_leaves_the_other(make, tmp_path):
    calc = make()
    calc.calculate(helium(0))
    pid = calc._session.process.popen.pid
    fork = os.fork()
    if fork == 0:
        try:
            calc.calculate(helium(1))
            own = calc._session.process.popen.pid
            calc.close()
            os._exit(0 if own != pid else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    calc.calculate(helium(2))
    assert calc._session.process.popen.pid == pid
    assert len(list((tmp_path / "runs").iterdir())) == 2
