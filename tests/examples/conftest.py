"""Scripts in a fresh project, run as a reader would run them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zn_pipeline.testing.projects import TemporaryProject

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

RunScript = Callable[..., str]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def run_script(
    tmp_project: TemporaryProject,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> RunScript:
    """Return a function that runs a command in the project and gives what it prints."""
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("user-cache")))

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_project.path,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
