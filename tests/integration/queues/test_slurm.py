"""Detached jobs on a real SLURM."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from distributed import Client

from zn_pipeline.queues.dask_cluster import cluster_for
from zn_pipeline.queues.jobfolder import SUBMITTED
from zn_pipeline.queues.jobs import Jobs
from zn_pipeline.queues.jsonfiles import read_json
from zn_pipeline.queues.pools import Pool
from zn_pipeline.queues.schedulers import RefusedError

from .conftest import SCRIPTS, answers, until

pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.usefixtures("slurm")]

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(15, signal.SIG_IGN); " + SLEEP
NODE = "n1"


def others() -> tuple[str, ...]:
    """Return options that keep jobs from the node that one of these tests lets fail."""
    return (f"--exclude={NODE}",) if answers("scontrol", "show", "node", NODE) else ()


@pytest.fixture
def jobs(drivers) -> Jobs:
    return drivers("slurm", extra=others())


def launch(jobs: Jobs, name: str = "abc", code: str = "", **options):
    return jobs.launch(name, lambda _: None, ["{python}", "-c", code], **options)


def is_up(jobs: Jobs, name: str = "abc") -> bool:
    log = jobs.path(name) / "stdout.log"
    return log.exists() and "up" in log.read_text()


def in_queue(name: str = "abc") -> list[str]:
    """Return the ids of jobs that were submitted under a name and are not over."""
    command = ["squeue", "--me", "--noheader", "--format=%i|%j"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("|")[0] for line in listed.splitlines() if f"zn-{name}-" in line]


def test_jobs_run_and_tell_how_they_ended(jobs):
    code = "import os; print(os.environ['SLURM_JOB_NUM_NODES'], os.environ['OMP_NUM_THREADS'])"
    launch(jobs, "first", code)
    launch(jobs, "second", "raise SystemExit(3)")
    found = jobs.wait(timeout_seconds=90)
    assert [status.exit_code for status in found.values()] == [0, 3]
    assert (jobs.fetch("first") / "stdout.log").read_text() == "1 1\n"


def test_a_job_that_cannot_be_is_refused(drivers):
    with pytest.raises(RefusedError, match="partition"):
        launch(drivers("slurm", partition="nowhere"))


def test_the_end_of_the_walltime_is_recorded(drivers):
    """One job knows its walltime, one learns of it from the queue, which kills it."""
    foreseen = drivers("slurm", partition="short", walltime_minutes=1, extra=others())
    blind = drivers("slurm", partition="short", extra=others())
    launch(foreseen, "foreseen", STUBBORN)
    launch(blind, "blind", STUBBORN)
    first = foreseen.wait(timeout_seconds=150)["foreseen"]
    second = blind.wait(timeout_seconds=150)["blind"]
    assert (first.phase, first.loss, first.stopped) == ("lost", "timeout", "timeout")
    assert (second.phase, second.loss) == ("lost", "timeout")
    assert "TIMEOUT" in second.message
    assert launch(foreseen, "foreseen").attempt == 2


def test_a_job_cancelled_by_hand_is_killed(jobs):
    status = launch(jobs, code=SLEEP)
    until(lambda: is_up(jobs))
    subprocess.run(["scancel", status.job_id], check=True)
    assert jobs.wait(timeout_seconds=60)["abc"].loss == "killed"


def test_a_crash_between_submission_and_bookkeeping_is_healed(drivers):
    jobs = drivers("slurm", extra=others())
    first = launch(jobs, code=SLEEP)
    (jobs.path("abc") / SUBMITTED).unlink()
    second = launch(drivers("slurm", extra=others()))
    assert second.job_id == first.job_id
    assert in_queue() == [first.job_id]


def test_a_killed_driver_leaves_jobs_that_the_next_one_adopts(drivers, tmp_path: Path):
    jobs = drivers("slurm", extra=others())
    driver = f"""
    import os
    from pathlib import Path
    from zn_pipeline.queues.jobs import Jobs
    from zn_pipeline.queues.pools import Pool
    pool = Pool(name="slurm", kind="slurm", workers=4, extra={others()!r})
    jobs = Jobs(pool, Path({str(jobs.folder)!r}))
    for name in "abc":
        jobs.launch(name, lambda _: None, ["{{python}}", "-c", "import time; time.sleep(5)"])
    os.kill(os.getpid(), 9)
    """
    command = [sys.executable, "-c", textwrap.dedent(driver)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    for name in "abc":
        launch(jobs, name)
    found = jobs.wait(timeout_seconds=120)
    assert [(status.phase, status.attempt) for status in found.values()] == [("done", 1)] * 3


def test_two_drivers_at_once_submit_once(drivers, tmp_path: Path):
    jobs = drivers("slurm", extra=others())
    driver = f"""
    from pathlib import Path
    from zn_pipeline.queues.jobs import Jobs
    from zn_pipeline.queues.pools import Pool
    pool = Pool(name="slurm", kind="slurm", workers=4, extra={others()!r})
    jobs = Jobs(pool, Path({str(jobs.folder)!r}))
    print(jobs.launch("abc", lambda _: None, ["{{python}}", "-c", {SLEEP!r}]).job_id or "adopted")
    """
    command = [sys.executable, "-c", textwrap.dedent(driver)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in running)
    assert said[1:] == ["adopted"] * 2
    assert in_queue() == said[:1]


def test_a_silent_controller_is_waited_for(jobs):
    """For 20 s nothing answers: nothing is lost, nothing is submitted twice."""
    launch(jobs, "before", "import time; time.sleep(15)")
    until(lambda: (jobs.path("before") / "heartbeat").exists())
    pid = int(Path("/run/slurmctld.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + 20
    phases: set[str] = set()
    try:
        while time.monotonic() < end:
            phases.add(launch(jobs, "during", "print(1)").phase)
            phases |= {status.phase for status in jobs.poll().values()}
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "lost" not in phases
    found = jobs.wait(timeout_seconds=120)
    assert [(status.phase, status.attempt) for status in found.values()] == [("done", 1)] * 2


def kill_job(jobs: Jobs) -> None:
    """Kill a job and all that it started."""
    leader = psutil.Process(read_json(jobs.path("abc") / "heartbeat")["pid"])
    for process in [*leader.children(recursive=True), leader]:
        process.kill()


def kill_node_daemon(job_id: str) -> None:
    """Kill the daemon of the node and what it runs for a job, but not the job."""
    os.kill(int(Path(f"/run/slurmd-{NODE}.pid").read_text()), signal.SIGKILL)
    for process in psutil.process_iter(["cmdline"]):
        if f"slurmstepd: [{job_id}." in " ".join(process.info["cmdline"] or ()):
            process.kill()


def test_a_failed_node_loses_its_job_once(drivers):
    """And not before its heart has stopped beating."""
    if not answers("scontrol", "show", "node", NODE):
        pytest.skip("SLURM must run with NODES=3")
    jobs = drivers("slurm", extra=(f"--nodelist={NODE}",))
    job_id = launch(jobs, code=SLEEP).job_id
    until(lambda: is_up(jobs))
    try:
        kill_node_daemon(job_id)
        until(queue_says(job_id, "NODE_FAIL"), 90)
        end = time.monotonic() + 8
        while time.monotonic() < end:
            assert jobs.poll()["abc"].phase == "running"
        kill_job(jobs)
        status = jobs.wait(timeout_seconds=60)["abc"]
        assert (status.loss, status.attempt) == ("infrastructure", 1)
        assert "NODE_FAIL" in status.message
    finally:
        subprocess.run([SCRIPTS / "start_slurm.sh"], check=True, env={**os.environ, "NODES": "3"})
    assert launch(jobs, code="print(1)").attempt == 2
    assert jobs.wait(timeout_seconds=90)["abc"].phase == "done"
    until(lambda: not in_queue())
    command = ["squeue", "--noheader", "--states=all", f"--name={job_name(jobs)}", "--format=%i"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert len(listed) == 2


def job_name(jobs: Jobs) -> str:
    return jobs.scheduler.job_name("abc", jobs.transport.folder("abc"))


def queue_says(job_id: str, state: str) -> Callable[[], bool]:
    command = ["squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%T"]
    return lambda: (
        state in subprocess.run(command, check=False, capture_output=True).stdout.decode()
    )


def test_dask_workers_come_and_go(tmp_path: Path):
    pool = Pool(name="d", kind="slurm", mode="dask", workers=2, walltime_minutes=30, extra=others())
    with cluster_for(pool, folder=tmp_path) as cluster, Client(cluster) as client:
        assert sum(client.gather(client.map(abs, range(-10, 0)))) == 55
        assert cluster.scheduler_address.startswith("tcp://127.0.0.1")
    until(lambda: not in_queue("dask"))
