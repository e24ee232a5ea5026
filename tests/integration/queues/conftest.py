"""Real queues: started by the scripts of `.ci/queues`; tests of what does not run are skipped."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from zn_pipeline.queues.jobs import Jobs
from zn_pipeline.queues.pools import Pool, SshSettings
from zn_pipeline.queues.watch import Patience

SCRIPTS = Path(__file__).parents[3] / ".ci" / "queues"
PATIENCE = Patience(grace_seconds=20, stale_seconds=6, settle_seconds=2, heartbeat_seconds=1)


def answers(*command: str) -> bool:
    """Whether a command exists, and ends well within ten seconds."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and bool(done.stdout)


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for something to become true; return what it became."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="session")
def slurm() -> None:
    """Skip unless SLURM runs."""
    if not answers("sinfo", "--noheader"):
        pytest.skip("SLURM does not run; start it with .ci/queues/start_slurm.sh")


@pytest.fixture(scope="session")
def sge() -> None:
    """Skip unless Grid Engine runs."""
    if shutil.which("qconf") is None or not answers("qstat", "-f"):
        pytest.skip("Grid Engine does not run; start it with .ci/queues/start_sge.sh")


class Server:
    """An sshd of our own on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]

    def start(self) -> None:
        command = [SCRIPTS / "start_sshd.sh", self.folder, str(self.port)]
        subprocess.run(command, check=True, capture_output=True)

    def stop(self) -> None:
        subprocess.run([SCRIPTS / "stop_sshd.sh", self.folder], check=True)

    @property
    def config(self) -> str:
        return str(self.folder / "ssh_config")

    def serving(self) -> list[psutil.Process]:
        """Return the processes that serve connections, one for each."""
        pid = int((self.folder / "sshd.pid").read_text())
        return [process for process in psutil.Process(pid).children() if is_running(process)]

    def break_connections(self) -> int:
        """Kill the processes that serve connections; return how many there were."""
        serving = self.serving()
        for process in serving:
            process.kill()
        return len(serving)


def is_running(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a running sshd, whose folder has a blank and a quote in its name."""
    programs = ("ssh", "rsync", "ssh-keygen")
    if not all(map(shutil.which, programs)) or not Path("/usr/sbin/sshd").exists():
        pytest.skip("openssh-server or rsync is not installed; see .ci/queues/install.sh")
    server = Server(tmp_path_factory.mktemp("ssh") / "sshd's folder")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def drivers(tmp_path: Path) -> Iterator[Callable[..., Jobs]]:
    """Return a maker of drivers of one folder; what still runs is cancelled at the end."""
    made: list[Jobs] = []

    def make(kind: str, *, folder: str = "it's jobs", **settings: Any) -> Jobs:
        given = {"name": kind, "mode": "detached", "workers": 4, "poll_seconds": 0.5, **settings}
        made.append(Jobs(Pool(kind=kind, **given), tmp_path / folder, patience=PATIENCE))
        return made[-1]

    yield make
    for jobs in made:
        jobs.cancel(jobs.names())
        jobs.close()


@pytest.fixture
def behind_ssh(server: Server, tmp_path: Path) -> SshSettings:
    """Return the settings of a machine, which is this one, with a folder of an awkward name."""
    folder = str(tmp_path / 'it is "there", isn\'t it')
    return SshSettings(host="testing", config_file=server.config, folder=folder)
