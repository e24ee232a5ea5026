"""The core contract once more, under the oldest DVC that `pyproject.toml` allows."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OF_ITS_TIME = ["pathspec==0.12.1"]
"""Old versions of DVC do not start with versions 1.x of this package, but do not say so to pip."""


def oldest_dvc() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (bound,) = (text for text in project["dependencies"] if re.match(r"dvc\W", text))
    return bound.removeprefix("dvc>=").partition(",")[0]


@pytest.mark.extensive
def test_the_contract_under_the_oldest_dvc(tmp_path):
    """Only names and versions are asked for; pip knows by its own settings where to find them."""
    python = tmp_path / "venv" / "bin" / "python"
    venv = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")]
    subprocess.run(venv, check=True)
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    wanted = [f"dvc=={oldest_dvc()}", *OF_ITS_TIME, "pytest", "--editable", str(ROOT)]
    done = subprocess.run([*install, *wanted], check=False, capture_output=True, text=True)
    if "(from versions: none)" in done.stderr:
        pytest.skip("pip finds no package at all: this machine is offline")
    assert done.returncode == 0, done.stderr
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    contract = Path(__file__).with_name("test_dvc_contract.py")
    run = [str(python), "-m", "pytest", "-q", "-x", "-W", "default", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*run, str(contract)],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
