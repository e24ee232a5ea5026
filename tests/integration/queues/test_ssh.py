"""Jobs on another machine, over a real SSH server on this one."""

import os
import shlex
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from zn_pipeline.queues.transport import Ssh

from .conftest import Server, answers, until

pytestmark = [pytest.mark.slow, pytest.mark.ssh]
MEGABYTES = 60


@pytest.mark.parametrize("kind", ["local", pytest.param("slurm", marks=pytest.mark.slurm)])
def test_a_job_goes_there_and_its_results_come_back(drivers, behind_ssh, kind):
    if kind == "slurm" and not answers("sinfo", "--noheader"):
        pytest.skip("SLURM does not run")
    code = "from pathlib import Path; Path('out').write_text(Path('in').read_text() * 2)"
    with drivers(kind, ssh=behind_ssh) as jobs:
        jobs.launch("abc", lambda folder: (folder / "in").write_text("x"), ["{python}", "-c", code])
        assert jobs.wait(timeout_seconds=120)["abc"].phase == "done"
        assert not (jobs.path("abc") / "out").exists()
        assert (jobs.fetch("abc") / "out").read_text() == "xx"
        there = Path(jobs.transport.folder("abc"))
        assert there.is_dir()
        jobs.forget("abc")
        assert not there.exists()


def test_a_killed_driver_leaves_jobs_that_the_next_one_adopts(drivers, behind_ssh):
    with drivers("local", ssh=behind_ssh) as jobs:
        driver = f"""
        import os
        from pathlib import Path
        from zn_pipeline.queues.jobs import Jobs
        from zn_pipeline.queues.pools import Pool
        pool = Pool.model_validate_json({jobs.pool.model_dump_json()!r})
        code = "import time; time.sleep(3); open('ran', 'a').write('once')"
        jobs = Jobs(pool, Path({str(jobs.folder)!r}))
        jobs.launch("abc", lambda _: None, ["{{python}}", "-c", code])
        os.kill(os.getpid(), 9)
        """
        command = [sys.executable, "-c", textwrap.dedent(driver)]
        assert subprocess.run(command, check=False).returncode == -9
        (jobs.path("abc") / "submitted.json").unlink()
        jobs.launch("abc", lambda _: None, ["{python}", "-c", "open('ran', 'a').write('twice')"])
        assert jobs.wait(timeout_seconds=120)["abc"].attempt == 1
        assert (jobs.fetch("abc") / "ran").read_text() == "once"


@pytest.fixture
def slow_rsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make copies slow enough to be broken; return a file with what each of them counted."""
    folder = tmp_path / "bin"
    folder.mkdir()
    counts = tmp_path / "counts"
    real = shlex.quote(str(shutil.which("rsync")))
    script = f'#!/bin/sh\nexec {real} --bwlimit=20m --stats "$@" >>{shlex.quote(str(counts))}\n'
    (folder / "rsync").write_text(script)
    (folder / "rsync").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return counts


def arrived(folder: Path) -> int:
    """Return how many bytes of an unfinished copy have been written."""
    try:
        return max((path.stat().st_size for path in folder.glob(".large file.*")), default=0)
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_a_broken_copy_goes_on_where_it_broke(
    server: Server, tmp_path: Path, slow_rsync: Path, direction: str
):
    here, there = tmp_path / "here", tmp_path / "there it is"
    source, target = (here, there) if direction == "push" else (there, here)
    (source / "job").mkdir(parents=True)
    content = os.urandom(MEGABYTES * 2**20)
    (source / "job" / "large file").write_bytes(content)
    ssh = Ssh("testing", here, str(there), config_file=server.config, pause_seconds=0.1)
    with ssh:
        copy = threading.Thread(target=getattr(ssh, direction), args=("job",))
        copy.start()
        until(lambda: arrived(target / "job") > 5 * 2**20)
        assert server.break_connections() > 0
        copy.join(120)
    assert (target / "job" / "large file").read_bytes() == content
    assert sorted(path.name for path in (target / "job").iterdir()) == ["large file"]
    lines = slow_rsync.read_text().splitlines()
    (matched,) = [line for line in lines if line.startswith("Matched data")]
    assert int("".join(filter(str.isdigit, matched))) > 2**20


def test_a_broken_connection_does_not_end_the_driver(drivers, server: Server, behind_ssh):
    code = "import time; print('up', flush=True); time.sleep(6)"
    with drivers("local", ssh=behind_ssh) as jobs:
        jobs.launch("abc", lambda _: None, ["{python}", "-c", code])
        until(lambda: jobs.poll()["abc"].phase == "running")
        server.break_connections()
        assert jobs.wait(timeout_seconds=120)["abc"].phase == "done"


def test_a_machine_that_is_away_for_a_while_loses_nothing(drivers, server: Server, behind_ssh):
    code = "import time; print('up', flush=True); time.sleep(4)"
    with drivers("local", ssh=behind_ssh) as jobs:
        jobs.transport.attempts = 2
        jobs.launch("abc", lambda _: None, ["{python}", "-c", code])
        until(lambda: jobs.poll()["abc"].phase == "running")
        server.break_connections()
        server.stop()
        for _ in range(3):
            assert jobs.poll()["abc"].phase in ("running", "unknown")
        server.start()
        assert jobs.wait(timeout_seconds=120)["abc"].phase == "done"


def test_one_connection_serves_all(drivers, server: Server, behind_ssh):
    with drivers("local", ssh=behind_ssh) as jobs:
        for name in "abc":
            jobs.launch(name, lambda _: None, ["true"])
        jobs.wait(timeout_seconds=120)
        assert len(server.serving()) == 1
