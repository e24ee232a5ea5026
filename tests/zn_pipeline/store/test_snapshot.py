import json
import os
from pathlib import Path

import pytest

import zn_pipeline as zn
from zn_pipeline.store.revisions import GitRepository
from zn_pipeline.store.snapshot import Revision, Workspace


@pytest.fixture
def made(calc, repro, tmp_project, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("user")))
    with repro():
        calc.Const(value=1)
        calc.Write(text="a")
    commit = tmp_project.commit("made")
    return tmp_project, Revision(GitRepository(tmp_project.path, str(tmp_project.path)), commit)


def test_both_tell_the_same(made):
    project, revision = made
    workspace = Workspace(project.path)
    assert workspace.graph == revision.graph
    assert workspace.params == revision.params == {"Const": {"value": 1}, "Write": {"text": "a"}}
    for path in ("outs/Const/out.json", "outs/Write/text.txt"):
        stage = path.split("/")[1]
        texts = [s.open_path(stage, path, named=False).read_text() for s in (workspace, revision)]
        assert texts[0] == texts[1]


def test_a_workspace_is_read_again_when_it_changes(made):
    project, _ = made
    workspace = Workspace(project.path)
    first = workspace.params
    assert workspace.params is first
    (project.path / "params.yaml").write_text("Const:\n  value: 2\n")
    assert workspace.params == {"Const": {"value": 2}}
    (project.path / "graph.json").write_text("{}")
    assert workspace.graph == {}


def test_params_json_is_used_if_the_nodes_use_it(calc, tmp_project):
    tmp_project.write("params.yaml", "Const:\n  value: 99\n")
    with zn.Project(params_file="params.json") as project:
        calc.Const(value=1)
    project.build()
    assert Workspace(tmp_project.path).params == {"Const": {"value": 1}}
    commit = tmp_project.commit()
    revision = Revision(GitRepository(tmp_project.path, "x"), commit)
    assert revision.params == {"Const": {"value": 1}}


def test_paths_of_a_workspace_fit_the_working_directory(made):
    project, _ = made
    workspace = Workspace(project.path)
    assert workspace.shown("outs/A") == "outs/A"
    os.chdir(project.path / "outs")
    assert workspace.shown("outs/A") == str(project.path / "outs/A")
    assert workspace.shown("/abs") == "/abs"


def test_data_of_a_revision_comes_from_the_cache(made):
    project, revision = made
    (project.path / "outs" / "Write" / "text.txt").unlink()
    path = revision.open_path("Write", "outs/Write/text.txt", named=False)
    assert path.is_relative_to(project.path / ".dvc" / "cache")
    named = revision.open_path("Write", "outs/Write/text.txt", named=True)
    assert (named.name, named.read_text()) == ("text.txt", "a")


def test_data_that_is_nowhere_is_missing(made):
    project, revision = made
    for file in (project.path / ".dvc" / "cache" / "files").rglob("*"):
        if file.is_file():
            file.unlink()
    with pytest.raises(zn.DataMissingError, match=r"outs/Write/text\.txt .* run 'dvc push'"):
        revision.open_path("Write", "outs/Write/text.txt", named=False)


def test_data_comes_from_a_dvc_remote(made, tmp_path_factory):
    project, revision = made
    storage = tmp_path_factory.mktemp("storage")
    cache = project.path / ".dvc" / "cache" / "files"
    cache.rename(storage / "files")
    with (project.path / ".dvc" / "config").open("a") as file:
        file.write(f"    remote = far\n['remote \"far\"']\n    url = {storage}\n")
    revision = Revision(revision.git, project.commit("remote"))
    path = revision.open_path("Write", "outs/Write/text.txt", named=False)
    assert path.read_text() == "a"


def test_files_that_git_holds_are_read_from_git(modules, repro, tmp_project, monkeypatch, tmp_path):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Loose(zn.Node):\n"
        "    out: int = zn.outs(cache=False)\n"
        "    def run(self):\n        self.out = 1\n"
    )
    with repro():
        own.Loose()
    tmp_project.git("add", "--force", "outs/Loose/out.json")
    commit = tmp_project.commit()
    revision = Revision(GitRepository(tmp_project.path, "x"), commit)
    (tmp_project.path / "outs" / "Loose" / "out.json").unlink()
    path = revision.open_path("Loose", "outs/Loose/out.json", named=False)
    assert json.loads(Path(path).read_text()) == 1


def test_an_output_that_never_was_is_not_run(calc, tmp_project):
    with zn.Project() as project:
        calc.Const(value=1)
    project.build()
    revision = Revision(GitRepository(tmp_project.path, "x"), tmp_project.commit())
    with pytest.raises(zn.NotRunError, match="has not been produced in revision"):
        revision.open_path("Const", "outs/Const/out.json", named=False)
