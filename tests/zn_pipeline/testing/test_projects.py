import sys
from pathlib import Path

import pytest

from zn_pipeline.testing import TemporaryProject


def test_a_project_is_a_repository_and_the_working_directory(tmp_path):
    before = Path.cwd()
    project = TemporaryProject(tmp_path)
    try:
        assert Path.cwd() == project.path
        assert (project.path / ".dvc" / "config").exists()
        assert project.git("status", "--porcelain") == ""
        project.write("a/b.txt", "text")
        commit = project.commit("message")
        assert project.git("log", "-1", "--format=%H %s").split() == [commit, "message"]
        with pytest.raises(RuntimeError, match="git nonsense must succeed: "):
            project.git("nonsense")
    finally:
        project.close()
    assert Path.cwd() == before


def test_modules_are_forgotten(tmp_path, monkeypatch):
    project = TemporaryProject(tmp_path)
    path = list(sys.path)
    try:
        sys.path.append(str(project.path))
        project.write("to_be_forgotten.py", "x = 1\n")
        import to_be_forgotten

        assert to_be_forgotten.x == 1
        project.forget_modules()
        assert "to_be_forgotten" not in sys.modules
    finally:
        project.close()
    assert str(project.path) not in sys.path
    assert set(sys.path) <= set(path)


def test_dvc_takes_it_for_its_own(tmp_path):
    from dvc.repo import Repo

    project = TemporaryProject(tmp_path)
    try:
        with Repo(str(project.path)) as repo:
            assert repo.root_dir == str(project.path)
            assert repo.status() == {}
    finally:
        project.close()
