import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nodes.reference.failures import CodeMissingError, CodeTimeoutError
from nodes.reference.processes import Process, run_program

# Starts a grandchild and writes its id down, as an MPI launcher would.
FAMILY = "sleep 300 & echo $! > grandchild; wait"


def run(tmp_path, text, **settings):
    defaults = {"output": "out", "environment": {}}
    return run_program(["/bin/sh", "-c", text], tmp_path, **(defaults | settings))


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.01)


def written_id(path):
    wait_until(lambda: path.is_file() and path.read_text().strip())
    return int(path.read_text())


def test_output_and_exit_code_are_returned(tmp_path):
    (tmp_path / "given").write_text("from a file\n")
    assert run(tmp_path, "cat; echo error >&2; exit 3", stdin="given") == 3
    assert (tmp_path / "out").read_text() == "from a file\nerror\n"


def test_the_folder_and_the_environment_are_those_given(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    run(tmp_path, "echo $PWD $OMP_NUM_THREADS", output="one")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    run(tmp_path, "echo $OMP_NUM_THREADS", output="two")
    run(tmp_path, "echo $OMP_NUM_THREADS", output="three", environment={"OMP_NUM_THREADS": "5"})
    assert (tmp_path / "one").read_text() == f"{tmp_path} 1\n"
    assert (tmp_path / "two").read_text() == "3\n"
    assert (tmp_path / "three").read_text() == "5\n"


def test_the_time_limit_ends_the_whole_group(tmp_path):
    with pytest.raises(CodeTimeoutError, match=r"end within time_limit_s=0.3"):
        run(tmp_path, FAMILY, time_limit_s=0.3)
    child = written_id(tmp_path / "grandchild")
    wait_until(lambda: not is_running(child))


def test_what_a_program_leaves_behind_ends_with_it(tmp_path):
    run(tmp_path, "sleep 300 & echo $! > grandchild")
    child = written_id(tmp_path / "grandchild")
    wait_until(lambda: not is_running(child))


def test_a_program_that_ignores_the_polite_signal_is_killed(tmp_path):
    process = Process(
        ["/bin/sh", "-c", "trap '' TERM; echo > ready; while true; do sleep 0.05; done"],
        tmp_path,
        environment={},
    )
    wait_until((tmp_path / "ready").is_file)
    process.kill()
    assert process.exit_code == -signal.SIGKILL
    process.kill()  # once more is nothing


def test_a_missing_command_is_named(tmp_path):
    with pytest.raises(CodeMissingError, match=r"^no-such-code must be a command on this machine"):
        run_program(["no-such-code", "-in"], tmp_path, output="out", environment={})


def test_a_program_does_not_outlive_a_caller_that_is_killed(tmp_path):
    text = (
        "import sys\nfrom pathlib import Path\nfrom nodes.reference.processes import run_program\n"
        f"run_program(['/bin/sh', '-c', {FAMILY!r}], Path(sys.argv[1]), output='out', "
        "environment={})"
    )
    caller = subprocess.Popen([sys.executable, "-c", text, str(tmp_path)])
    child = written_id(tmp_path / "grandchild")
    caller.kill()
    caller.wait()
    wait_until(lambda: not is_running(child))


@pytest.mark.filterwarnings("ignore:os.fork")  # JAX may be about
def test_a_fork_does_nothing_to_the_program(tmp_path):
    process = Process(["/bin/sh", "-c", "sleep 300"], tmp_path, environment={})
    fork = os.fork()
    if fork == 0:
        process.kill()
        os._exit(0 if not process.ours else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert process.exit_code is None
    process.kill()
    assert process.exit_code == -signal.SIGTERM
