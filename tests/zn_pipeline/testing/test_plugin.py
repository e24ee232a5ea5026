import subprocess
import sys
from pathlib import Path

from zn_pipeline.testing import TemporaryProject


def test_the_fixture_gives_a_project(tmp_project, tmp_path):
    assert isinstance(tmp_project, TemporaryProject)
    assert tmp_project.path == tmp_path
    assert Path.cwd() == tmp_path


def test_the_fixture_cleans_up_and_needs_no_import(tmp_path):
    (tmp_path / "test_user.py").write_text(
        "import os\n"
        "def test_one(tmp_project):\n    assert os.getcwd() == str(tmp_project.path)\n"
        f"def test_two():\n    assert os.getcwd() == {str(tmp_path)!r}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:hypothesispytest"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "2 passed" in done.stdout, done.stdout
