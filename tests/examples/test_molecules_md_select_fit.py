"""The workflow of example 09 goes on after a kill, and no finished calculation is done again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

SCRIPT = "09_molecules_md_select_fit.py"

# A calculator that notes every calculation before it begins: method and positions, to the last bit.
COUNTED = '''\
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ase.calculators.calculator import all_changes
from tblite.ase import TBLite

NOTES = Path(__file__).with_name("notes.txt")


class NotedXtb(TBLite):
    """tblite that keeps a list of what it was asked for."""

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        digest = hashlib.sha256(atoms.positions.tobytes()).hexdigest()
        line = f"{self.parameters.method} {digest}\\n".encode()
        file = os.open(NOTES, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line)
        os.close(file)
        super().calculate(atoms, properties or ["energy"], system_changes)


@dataclass(frozen=True)
class CountedXtb:
    """Takes the place of nodes.Xtb."""

    method: str = "GFN1-xTB"

    def get_calculator(self, directory=None):
        return NotedXtb(method=self.method, verbosity=0)
'''

CHECKPOINT_INTERVAL = 100
N_STEPS, N_MOLECULES, N_LABELS = 400, 3, 90


@pytest.fixture
def project(root, tmp_project):
    tmp_project.write("counted.py", COUNTED)
    text = (root / "examples" / SCRIPT).read_text()
    text = text.replace("import nodes\n", "import nodes\nfrom counted import CountedXtb\n")
    tmp_project.write(SCRIPT, text.replace("nodes.Xtb(", "CountedXtb("))
    return tmp_project


def notes(folder: Path) -> list[str]:
    file = folder / "notes.txt"
    return file.read_text().splitlines() if file.is_file() else []


def run_until(folder: Path, n_notes: int) -> None:
    """Run the script and kill it, with all its workers, once so much has been calculated."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 300
        while len(notes(folder)) < n_notes:
            assert process.poll() is None, "the script must not end before it is killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("n_notes", [700])
def test_a_killed_workflow_goes_on_and_repeats_nothing_that_was_kept(n_notes, project, run_script):
    run_until(project.path, n_notes)
    assert "everywhere: True" in run_script(SCRIPT)
    counted = Counter(notes(project.path))
    repeated = sum(times - 1 for times in counted.values())
    labels = {note: times for note, times in counted.items() if note.startswith("GFN2")}
    assert len(counted) - len(labels) == (N_STEPS + 1) * N_MOLECULES
    assert len(labels) == N_LABELS
    # In flight were at most three trajectories, each since its last checkpoint, or two labels.
    assert sum(times - 1 for times in labels.values()) <= 2
    assert repeated <= N_MOLECULES * (CHECKPOINT_INTERVAL + 1)
    before = len(notes(project.path))
    shutil.rmtree(project.path / "outs")
    run_script(SCRIPT)
    assert len(notes(project.path)) == before
