"""Nodes as batch jobs without a driver, on the queue of this machine."""

import signal
import subprocess
import sys
import time

import zn_pipeline as zn
from zn_pipeline.execute.detached import DetachedExecutor
from zn_pipeline.queues.pools import Pool

POOL = Pool(name="here", kind="local", mode="detached", workers=2, poll_seconds=0.2)


def test_a_graph_runs_as_jobs(calc, repro, tmp_project):
    with repro(DetachedExecutor(POOL)):
        x = calc.Const(name="x", value=3.0)
        y = calc.Sub(name="y", a=x.out, b=x.out)
    assert repro.done == {"x", "y"}
    assert (x.out, y.out) == (3.0, 0.0)
    with repro(DetachedExecutor(POOL)):
        calc.Const(name="x", value=3.0)
    assert repro.report.unchanged == ["x"]


def test_a_failure_is_that_of_the_node(calc, repro):
    with repro(DetachedExecutor(POOL), check=False):
        calc.Broken()
    assert "ValueError: no such luck" in repro.report.stages["Broken"].error


SCRIPT = """
import sys, time
from pathlib import Path
import zn_pipeline as zn
from zn_pipeline.execute.detached import DetachedExecutor
from zn_pipeline.queues.pools import Pool

class Slow(zn.Node):
    out: int = zn.outs()
    def run(self):
        with open("count", "a") as file:
            file.write("run\\n")
        time.sleep(3)
        self.out = 1

if __name__ == "__main__":
    with zn.Project() as project:
        slow = Slow()
    pool = Pool(name="here", kind="local", mode="detached", poll_seconds=0.2)
    project.repro(executor=DetachedExecutor(pool), quiet=True)
    print(slow.out)
"""


def test_the_next_run_takes_over_the_jobs_of_a_killed_one(tmp_project):
    tmp_project.write("slow.py", SCRIPT)
    command = [sys.executable, "slow.py"]
    driver = subprocess.Popen(command, cwd=tmp_project.path)
    deadline = time.monotonic() + 60
    while not (tmp_project.path / "count").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    again = subprocess.run(command, cwd=tmp_project.path, capture_output=True, text=True)
    assert again.stdout == "1\n", again.stderr
    assert (tmp_project.path / "count").read_text() == "run\n"
    assert zn.from_rev("Slow").out == 1
