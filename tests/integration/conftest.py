"""Real projects: Git and DVC repositories, the command lines of DVC and of the framework."""

import contextlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zn_pipeline.execute.session import Session
from zn_pipeline.testing.projects import TemporaryProject

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


class Shell:
    """Runs commands in a project, with the `zn-pipeline` of this environment on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    @staticmethod
    def command(program: str, *arguments: str) -> list[str]:
        """Return the command for `dvc`, `znp` or `python`."""
        start = {
            "dvc": [sys.executable, "-m", "dvc"],
            "znp": [str(BIN / "znp")],
            "python": [sys.executable],
        }
        return [*start[program], *arguments]

    def run(self, program: str, *arguments: str, code: int = 0) -> str:
        """Run a command, which must end with an exit code; return all that it printed."""
        done = subprocess.run(
            self.command(program, *arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, f"{program} {arguments}: {done.returncode}\n{said}"
        return said if code else (done.stdout or done.stderr)

    def dvc(self, *arguments: str, code: int = 0) -> str:
        """Run stock DVC."""
        return self.run("dvc", *arguments, code=code)

    def znp(self, *arguments: str, code: int = 0) -> str:
        """Run the command line of the framework."""
        return self.run("znp", *arguments, code=code)

    def start(self, program: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command and go on."""
        process = subprocess.Popen(
            self.command(program, *arguments),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def is_clean(self) -> bool:
        """Whether stock DVC finds nothing to do."""
        return json.loads(self.dvc("status", "--json")) == {}

    def stale(self) -> list[str]:
        """Return the nodes that we find not up to date, as `znp status` does."""
        session = Session(self.folder)
        session.refresh()
        return sorted(item.name for item in session.status() if item.state != "up to date")


class RunLog:
    """Which nodes were executed, however and by whom."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def counts(self) -> Counter[str]:
        """Return how often each node was executed since the log was cleared."""
        return Counter(self.file.read_text().split()) if self.file.exists() else Counter()

    def take(self) -> list[str]:
        """Return the names of the executed nodes, sorted, and clear the log."""
        names = sorted(self.counts().elements())
        self.file.unlink(missing_ok=True)
        return names


def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} must happen within {seconds:g} s"
        time.sleep(0.02)


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., None]:
    return until


@pytest.fixture(autouse=True)
def own_path(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let DVC find our command, and keep downloads of one test from the next."""
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("user-cache")))


@pytest.fixture
def shell(tmp_project: TemporaryProject) -> Iterator[Shell]:
    shell = Shell(tmp_project.path)
    yield shell
    shell.close()


@pytest.fixture
def run_log(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> RunLog:
    file = tmp_path_factory.mktemp("log") / "runs.txt"
    monkeypatch.setenv("RUN_LOG", str(file))
    return RunLog(file)


@pytest.fixture
def go_on(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file; once it exists, nodes of class `Sleep` end."""
    file = tmp_path_factory.mktemp("go") / "on"
    monkeypatch.setenv("GO_ON", str(file))
    return file


@pytest.fixture
def my_nodes(tmp_project: TemporaryProject, run_log: RunLog) -> ModuleType:
    """The module of nodes in the project."""
    shutil.copyfile(HERE / "project_nodes.py", tmp_project.path / "my_nodes.py")
    sys.path.insert(0, str(tmp_project.path))
    importlib.invalidate_caches()
    return importlib.import_module("my_nodes")
