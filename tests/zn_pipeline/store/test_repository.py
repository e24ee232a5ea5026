from pathlib import Path

import pytest

from zn_pipeline.errors import PipelineError
from zn_pipeline.store.repository import Repository, write_atomic
from zn_pipeline.testing import TemporaryProject


def test_a_repository_is_found_from_below(tmp_project: TemporaryProject):
    sub = tmp_project.path / "a" / "b"
    sub.mkdir(parents=True)
    found = Repository.find(sub)
    assert (found.root, found.dvc_root) == (sub, tmp_project.path)
    assert found.cache == tmp_project.path / ".dvc" / "cache"
    assert found.results.is_relative_to(tmp_project.path / ".dvc" / "tmp")
    assert found.link_types == ("reflink", "copy")
    assert not found.hardlink_lock


def test_a_folder_outside_is_refused(tmp_path: Path):
    with pytest.raises(PipelineError, match="run 'zn-pipeline init' in it once"):
        Repository.find(tmp_path)


def test_settings_of_dvc_are_obeyed(tmp_project: TemporaryProject, tmp_path_factory):
    shared = tmp_path_factory.mktemp("shared")
    with (tmp_project.path / ".dvc" / "config").open("a") as file:
        file.write(f"    hardlink_lock = true\n[cache]\n    dir = {shared}\n")
        file.write('    type = "hardlink,symlink"\n')
    found = Repository.find(tmp_project.path)
    assert found.cache == shared
    assert found.link_types == ("hardlink", "symlink")
    assert found.hardlink_lock


def test_a_relative_cache_is_relative_to_the_settings(tmp_project: TemporaryProject):
    (tmp_project.path / ".dvc" / "config.local").write_text("[cache]\n    dir = ../../shared\n")
    assert Repository.find(tmp_project.path).cache == tmp_project.path.parent / "shared"


def test_a_run_uses_a_shared_cache(calc, repro, tmp_project, tmp_path_factory):
    shared = tmp_path_factory.mktemp("shared")
    (tmp_project.path / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {shared}\n")
    with repro():
        calc.Const(value=1)
    assert list((shared / "files" / "md5").rglob("*"))
    assert not (tmp_project.path / ".dvc" / "cache" / "files").exists()


@pytest.mark.parametrize("text", ["", "*.pyc", "*.pyc\n", "/outs/\n", "outs\n"])
def test_one_line_of_gitignore(tmp_project: TemporaryProject, text):
    file = tmp_project.write(".gitignore", text)
    repository = Repository.find(tmp_project.path)
    repository.ignore_outputs()
    repository.ignore_outputs()
    assert file.read_text().count("outs") == 1
    assert file.read_text().startswith(text)


def test_atomic_writes_change_only_what_differs(tmp_path: Path):
    file = tmp_path / "a" / "f"
    assert write_atomic(file, "one")
    before = file.stat()
    assert not write_atomic(file, "one")
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert write_atomic(file, "two")
    assert file.read_text() == "two"
    assert [p.name for p in file.parent.iterdir()] == ["f"]
