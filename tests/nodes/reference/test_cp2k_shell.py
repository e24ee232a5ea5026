import gc
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import ase.build
import numpy as np
import pytest
from ase import Atoms

import zn_pipeline as zn
from nodes.reference.cp2k import Cp2k
from nodes.reference.failures import (
    CodeCrashedError,
    CodeMissingError,
    CodeTimeoutError,
    NotConvergedError,
)

# Speaks as cp2k_shell does. Energy is the sum of squares of the positions; the template says how
# it behaves: hang, abort, unconverged.
FAKE = """
import sys, time
from pathlib import Path

def say(*words):
    print(*words, flush=True)

inputs, positions, loads = {}, {}, 0
say(" banner")
say("* READY")
for line in sys.stdin:
    words = line.split()
    if words[0] == "LOAD":
        loads += 1
        text = Path(words[1]).read_text()
        if "unreadable" in text:
            say("* ERROR the input cannot be read")
            continue
        inputs[loads] = (text, Path(words[2]))
        say(loads)
    elif words[0] == "SET_POS":
        count = int(next(sys.stdin))
        rows = [next(sys.stdin).split() for _ in range(count // 3)]
        assert next(sys.stdin).strip() == "*END"
        positions[int(words[1])] = [[float(x) for x in row] for row in rows]
        say("0.0")
    elif words[0] == "EVAL_EF":
        text, output = inputs[int(words[1])]
        with output.open("a") as stream:
            print("CP2K| version string: CP2K version 2023.1", file=stream)
            if "unconverged" in text:
                print(" *** WARNING SCF run NOT converged ***", file=stream)
            if "abort" in text:
                print("[ABORT] CPASSERT failed", file=stream)
        if "abort" in text:
            sys.exit(1)
        if "hang" in text:
            time.sleep(300)
    elif words[0] == "GET_E":
        say(sum(x * x for row in positions[int(words[1])] for x in row))
    elif words[0] == "GET_F":
        rows = positions[int(words[1])]
        say(3 * len(rows))
        for row in rows:
            say(*(-2 * x for x in row))
        say("* END")
    elif words[0] == "GET_STRESS":
        say(1, 6, 5, 6, 2, 4, 5, 4, 3)
    elif words[0] == "DESTROY":
        del inputs[int(words[1])]
    elif words[0] == "EXIT":
        break
    say("* READY")
"""

needs_cp2k = pytest.mark.skipif(shutil.which("cp2k_shell") is None, reason="CP2K is not installed")


@pytest.fixture
def command(tmp_path: Path) -> str:
    (tmp_path / "shell.py").write_text(FAKE)
    return f"{sys.executable} -S {tmp_path / 'shell.py'}"


@pytest.fixture
def calculator(command, tmp_path):
    made = []

    def make(template="", **settings):
        spec = Cp2k(template=template, **{"command": command, **settings})
        made.append(spec.get_calculator(tmp_path / "runs"))
        return made[-1]

    yield make
    for each in made:
        each.close()


def keyword(word):
    return f"&FORCE_EVAL\n{word} yes\n&END FORCE_EVAL"


def gas(seed=0):
    positions = np.random.default_rng(seed).random((3, 3))
    return Atoms("ArNeHe", positions, cell=[6, 6, 6], pbc=True)


def kill_while_busy(calculator, delay=0.3):
    """Kill the shell a moment after the calculation has begun."""

    def kill():
        time.sleep(delay)
        os.killpg(calculator.shell.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.02)


def test_one_shell_serves_all_structures(calculator, tmp_path):
    calc = calculator()
    calc.calculate(gas(0), ["energy"])
    pid = calc.shell.pid
    for seed, structure in enumerate([gas(1), gas(2)[:2]]):
        calc.reset()
        calc.calculate(structure, ["energy", "forces", "stress"])
        assert calc.results["energy"] == pytest.approx((structure.positions**2).sum())
        np.testing.assert_allclose(calc.results["forces"], -2 * structure.positions)
        np.testing.assert_allclose(calc.results["stress"], [-1, -2, -3, -4, -5, -6])
        assert calc.shell.pid == pid, seed
    kept = {path.name for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    assert kept == {"cp2k.inp", "cp2k.out"}
    assert len(list((tmp_path / "runs").iterdir())) == 3


def test_reused_orbitals_keep_the_input_as_long_as_only_positions_change(calculator, tmp_path):
    calc = calculator(reuse_orbitals=True)
    for structure in (gas(0), gas(1), gas(2)):
        calc.calculate(structure, ["energy"])
        assert calc.results["energy"] == pytest.approx((structure.positions**2).sum())
    assert len(list((tmp_path / "runs").iterdir())) == 1
    calc.calculate(gas(3)[[0, 1]], ["energy"])
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_a_structure_that_does_not_converge_leaves_the_shell_alive(calculator):
    calc = calculator(keyword("unconverged"))
    with pytest.raises(NotConvergedError, match="SCF cycle of CP2K must converge") as caught:
        calc.calculate(gas())
    assert {path.name for path in caught.value.kept_files} == {"cp2k.inp", "cp2k.out"}
    pid = calc.shell.pid
    with pytest.raises(NotConvergedError):
        calc.calculate(gas(1))
    assert calc.shell.pid == pid


def test_a_shell_that_is_killed_fails_its_structure_and_is_started_again(calculator):
    calc = calculator(keyword("hang"))
    thread = kill_while_busy(calc)
    with pytest.raises(CodeCrashedError, match="SIGKILL") as caught:
        calc.calculate(gas())
    thread.join()
    assert caught.value.failure_kind == "killed"
    assert {path.name for path in caught.value.kept_files} == {"cp2k.inp", "cp2k.out"}
    assert calc.shell is None


def test_a_shell_that_died_between_two_structures_fails_none(calculator):
    calc = calculator()
    calc.calculate(gas(0))
    pid = calc.shell.pid
    os.killpg(pid, signal.SIGKILL)
    wait_until(lambda: not calc.shell.alive)
    calc.calculate(gas(1))
    assert calc.shell.pid != pid
    assert not is_running(pid)


def test_an_abort_and_an_unreadable_input_are_crashes(calculator):
    with pytest.raises(CodeCrashedError, match=r"(?s)exit code 1\n.*CPASSERT failed") as caught:
        calculator(keyword("abort")).calculate(gas())
    assert caught.value.failure_kind == "calculation"
    with pytest.raises(CodeCrashedError, match="CP2K must"):
        calculator(keyword("unreadable")).calculate(gas())


def test_a_shell_that_hangs_is_ended_at_the_time_limit(calculator):
    calc = calculator(keyword("hang"), time_limit_s=0.5)
    with pytest.raises(CodeTimeoutError, match=r"time_limit_s=0.5") as caught:
        calc.calculate(gas())
    assert caught.value.kept_files
    assert calc.shell is None


def test_missing_commands_and_wrong_versions_are_named(calculator):
    with pytest.raises(CodeMissingError, match="no-cp2k must be a command"):
        calculator(command="no-cp2k").calculate(gas())
    with pytest.raises(CodeMissingError, match=r"must be 2024, received 2023.1"):
        calculator(version="2024").calculate(gas())
    with pytest.raises(CodeCrashedError, match="exit code 3"):
        calculator(command="/bin/sh -c 'exit 3'").calculate(gas())


def test_no_shell_outlives_its_calculator(calculator, command, tmp_path):
    calc = Cp2k(command=command).get_calculator(tmp_path)
    calc.calculate(gas())
    pid = calc.shell.pid
    assert is_running(pid)
    del calc
    gc.collect()  # objects of ASE refer to themselves
    wait_until(lambda: not is_running(pid))


@pytest.mark.filterwarnings("ignore:os.fork")  # JAX may be about
def test_a_fork_starts_its_own_shell_and_leaves_the_other(calculator):
    calc = calculator(reuse_orbitals=True)
    calc.calculate(gas(0))
    pid = calc.shell.pid
    fork = os.fork()
    if fork == 0:
        try:
            calc.calculate(gas(1))
            right = calc.shell.pid != pid and calc.results["energy"] > 0
            calc.close()
            os._exit(0 if right else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert is_running(pid)
    calc.calculate(gas(2))
    assert calc.shell.pid == pid


def real(**settings):
    defaults = {"cutoff_ry": 120.0, "basis_set": "SZV-MOLOPT-SR-GTH"}
    return Cp2k(**(defaults | settings))


def water():
    molecule = ase.build.molecule("H2O")
    molecule.rattle(0.03, seed=1)
    molecule.center(vacuum=2.5)
    return molecule


@pytest.mark.slow
@needs_cp2k
def test_cp2k_gives_forces_that_are_the_slope_of_its_energy(tmp_path):
    tight = "&FORCE_EVAL\n&DFT\n&SCF\nEPS_SCF 1e-7\n&END SCF\n&END DFT\n&END FORCE_EVAL"
    calc = real(template=tight, cutoff_ry=250.0).get_calculator(tmp_path)
    atoms = water()
    step, energies = 0.01, []
    for shift in (step, -step, 0.0):
        moved = atoms.copy()
        moved.positions[1, 1] += shift
        calc.calculate(moved, ["energy", "forces"])
        energies.append(calc.results["energy"])
    slope = -(energies[0] - energies[1]) / (2 * step)
    assert calc.results["forces"][1, 1] == pytest.approx(slope, abs=0.05)
    assert "stress" not in calc.results
    calc.close()


@pytest.mark.slow
@needs_cp2k
def test_labels_of_cp2k_do_not_depend_on_the_structure_before(tmp_path):
    other = water()
    other.rattle(0.1, seed=2)
    evaluate = zn.Evaluate(real(), ("energy", "forces"), tmp_path)
    alone = zn.Evaluate(real(), ("energy", "forces"), tmp_path)(other)
    evaluate(water())
    after = evaluate(other)
    assert after.get_potential_energy() == alone.get_potential_energy()
    np.testing.assert_array_equal(after.get_forces(), alone.get_forces())


@pytest.mark.slow
@needs_cp2k
def test_kpoints_of_cp2k_stand_for_a_larger_cell(tmp_path):
    # The Gamma point of a doubled cell is the same as two points of the single one.
    single = Atoms("H2", [[0, 0, 0], [0.8, 0, 0]], cell=[3.0, 6.0, 6.0], pbc=True)
    double = single.repeat((2, 1, 1))
    evaluate = zn.Evaluate(real(kgrid=(2, 1, 1), cutoff_ry=200.0), ("energy",), tmp_path)
    energy = evaluate(single).get_potential_energy()
    evaluate = zn.Evaluate(real(cutoff_ry=200.0), ("energy",), tmp_path)
    assert evaluate(double).get_potential_energy() == pytest.approx(2 * energy, abs=0.01)
    assert evaluate(single).get_potential_energy() != pytest.approx(energy, abs=0.1)


@pytest.mark.slow
@needs_cp2k
def test_cp2k_that_does_not_converge_or_is_killed_is_a_typed_failure(tmp_path):
    calc = real(max_iterations=1).get_calculator(tmp_path)
    with pytest.raises(NotConvergedError, match="within 1 iterations"):
        calc.calculate(water())
    pid = calc.shell.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    calc.spec = real()
    thread = kill_while_busy(calc, delay=0.7)
    with pytest.raises(CodeCrashedError) as caught:
        calc.calculate(water())
    thread.join()
    assert caught.value.failure_kind == "killed"
    for process in (pid, *children):
        wait_until(lambda process=process: not is_running(process))
    calc.calculate(water())
    assert calc.results["energy"] < -400
    calc.close()
