"""What a `dvc.yaml` may hold besides plain nodes: options of DVC, and stages that are not ours."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zn_pipeline as zn
from zn_pipeline.store.objects import md5_of_file

FOREIGN = """\
stages:
  prepare:
    cmd: "cp raw.txt made.txt && echo prepare >> $RUN_LOG"
    deps: [raw.txt]
    outs: [made.txt]
  publish:
    cmd: "cp outs/ReadFile/text.json published.txt && echo publish >> $RUN_LOG"
    deps: [outs/ReadFile/text.json]
    outs: [published.txt]
"""


def run_here(project: zn.Project, **options) -> zn.RunReport:
    return project.repro(executor=zn.SequentialExecutor(), **options)


@pytest.fixture
def between(tmp_project, my_nodes):
    """A node between two stages of stock DVC."""
    tmp_project.write("raw.txt", "raw")
    tmp_project.write("dvc.yaml", FOREIGN)
    with zn.Project() as project:
        my_nodes.ReadFile(file="made.txt")
    return project


def test_foreign_stages_run_in_their_turn(between, shell, run_log):
    assert sorted(run_here(between).done) == ["ReadFile", "prepare", "publish"]
    assert run_log.file.read_text().split() == ["prepare", "ReadFile", "publish"]
    assert json.loads(Path("published.txt").read_text()) == "raw"
    assert shell.is_clean()


@pytest.mark.slow
def test_foreign_stages_run_when_they_are_stale(between, shell, run_log, tmp_project):
    run_here(between)
    run_log.take()
    tmp_project.write("raw.txt", "new")
    assert run_here(between).ok
    assert run_log.take() == ["ReadFile", "prepare", "publish"]
    assert run_here(between).done == []
    assert run_log.take() == []
    assert shell.is_clean()


def test_below_a_failed_foreign_stage_nothing_runs(between, run_log):
    Path("raw.txt").unlink()
    report = run_here(between, check=False)
    assert report.failed == ["prepare"]
    assert sorted(report.skipped) == ["ReadFile", "publish"]
    assert run_log.take() == []


def test_outputs_left_to_git(tmp_project, shell, my_nodes, run_log):
    tmp_project.write(".gitignore", "/outs/*\n!/outs/InGit/\nnode.log\n__pycache__/\n")
    with zn.Project() as project:
        node = my_nodes.InGit(value=3)
    assert run_here(project).done == ["InGit"]
    assert shell.is_clean()
    assert list(Path(".dvc").rglob("cache/files/md5/*/*")) == []
    first = tmp_project.commit("first")
    assert zn.from_rev("InGit", rev=first).out == 3
    run_log.take()
    assert "Running stage" not in shell.dvc("repro")
    Path("outs/InGit/out.json").unlink()
    assert run_here(project).done == ["InGit"]
    assert node.out == 3
    assert shell.is_clean()


@pytest.mark.slow
def test_metrics_and_plots_are_compared(tmp_project, shell, my_nodes):
    with zn.Project() as project:
        const = my_nodes.Const(value=1.5)
        my_nodes.Scale(x=const.out)
    run_here(project)
    tmp_project.commit("first")
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("factor: 2.0", "factor: 4.0"))
    shell.znp("repro", "--quiet", "-j", "1")
    found = json.loads(shell.dvc("metrics", "diff", "--json"))
    (difference,) = found.values()
    assert difference == {"result": {"old": 3.0, "new": 6.0, "diff": 3.0}}
    said = json.loads(shell.dvc("plots", "diff", "HEAD", "--json"))
    (drawn,) = said["data"]["Scale_curve"]
    points = drawn["content"]["data"]["values"]
    assert {point["value"] for point in points if point["step"] == "2"} == {"3.0", "6.0"}
    assert "Scale_curve" in json.loads(shell.dvc("plots", "show", "--json"))["data"]


@pytest.mark.slow
def test_an_always_changed_node_runs_every_time(tmp_project, shell, my_nodes, run_log):
    with zn.Project() as project:
        node = my_nodes.Const(always_changed=True)
        my_nodes.Scale(x=node.out)
    run_here(project)
    run_log.take()
    assert run_here(project).done == ["Const"]
    assert run_log.take() == ["Const"]
    shell.dvc("repro")
    assert run_log.take() == ["Const"]
    assert "Scale" not in json.loads(shell.dvc("status", "--json"))


@pytest.mark.slow
def test_a_frozen_node_keeps_its_result(tmp_project, shell, my_nodes, run_log):
    with zn.Project() as project:
        node = my_nodes.Const(value=1.0)
        below = my_nodes.Scale(x=node.out)
    run_here(project)
    run_log.take()
    shell.dvc("freeze", "Const")
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("value: 1.0", "value: 5.0"))
    shell.znp("repro", "--quiet", "-j", "1")
    assert run_log.take() == []
    with zn.Project() as project:
        node = my_nodes.Const(value=7.0)
        below = my_nodes.Scale(x=node.out)
    assert run_here(project).done == []
    assert below.out == 2.0
    shell.dvc("unfreeze", "Const")
    assert run_here(project).done == ["Const", "Scale"]
    assert below.out == 14.0


@pytest.mark.slow
def test_a_tracked_file_is_a_dependency(tmp_project, shell, my_nodes, run_log):
    tmp_project.write("data.txt", "some data")
    shell.dvc("add", "data.txt")
    with zn.Project() as project:
        node = my_nodes.ReadFile(file="data.txt")
    run_here(project)
    assert node.text == "some data"
    assert shell.is_clean()
    Path("data.txt").unlink()
    report = run_here(project, check=False)
    assert "dvc checkout" in report.stages["ReadFile"].error
    shell.dvc("checkout")
    assert run_here(project).done == []


@pytest.mark.slow
def test_an_imported_file_is_a_dependency(tmp_project, shell, my_nodes, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "data.txt").write_text("from elsewhere")
    for command in ("init --quiet", "add data.txt", "commit --quiet --message data"):
        subprocess.run(["git", *command.split()], cwd=other, check=True)
    shell.dvc("import", str(other), "data.txt")
    with zn.Project() as project:
        node = my_nodes.ReadFile(file="data.txt")
    run_here(project)
    assert node.text == "from elsewhere"
    assert shell.is_clean()


@pytest.mark.parametrize("kind", ["hardlink", pytest.param("symlink", marks=pytest.mark.slow)])
def test_linked_outputs(kind, tmp_project, shell, my_nodes, run_log):
    with Path(".dvc/config").open("a") as config:
        config.write(f"[cache]\n    type = {kind}\n")
    with zn.Project() as project:
        const = my_nodes.Const(value=1.5)
        files = my_nodes.Files()
        my_nodes.ReadFolder(folder=files.folder)
        scale = my_nodes.Scale(x=const.out)
    run_here(project)
    linked = [Path("outs/Const/out.json"), Path("outs/Files/files/part-1/data.txt")]

    def are_links() -> bool:
        infos = [path.lstat() for path in linked]
        return all(
            path.is_symlink() if kind == "symlink" else info.st_nlink > 1
            for path, info in zip(linked, infos, strict=True)
        )

    assert are_links()
    assert shell.is_clean()
    shutil.rmtree("outs")
    assert sorted(run_here(project).restored) == ["Const", "Files", "ReadFolder", "Scale"]
    assert are_links()
    run_log.take()
    with zn.Project() as project:
        const = my_nodes.Const(value=2.5)
        files = my_nodes.Files(n_files=4)
        my_nodes.ReadFolder(folder=files.folder)
        scale = my_nodes.Scale(x=const.out)
    assert len(run_here(project).done) == 4
    assert scale.out == 5.0
    assert shell.is_clean()
    for name in ("part-1/data.txt", "part-2/data.txt"):  # the old objects are as they were
        assert Path("outs/Files/files", name).read_text().startswith("content")
    assert_objects_are_whole()


def assert_objects_are_whole() -> None:
    """Check that every object of the cache has the md5 of its name."""
    found = [path for path in Path(".dvc/cache/files/md5").rglob("*") if path.is_file()]
    assert found
    for path in found:
        assert md5_of_file(path) == (path.parent.name + path.name).removesuffix(".dir")


ODD = """
import os
import zn_pipeline as zn

class Odd(zn.Node):
    folder: str = zn.outs_path(zn.nwd / "folder")
    other: str = zn.outs_path("made here/übung.txt")

    def run(self):
        os.makedirs(self.folder + "/empty")
        for name in ("data.part", ".hidden", "größe 1.txt", "b", "B", "a-b", "a/c"):
            path = os.path.join(self.folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(name)
        with open(self.other, "w") as file:
            file.write("text")

class Nothing(zn.Node):
    folder: str = zn.outs_path(zn.nwd / "folder")

    def run(self):
        os.makedirs(self.folder)
"""


def test_odd_names_and_empty_folders(tmp_project, shell):
    tmp_project.write("odd.py", ODD)
    sys.path.insert(0, str(tmp_project.path))
    import odd

    with zn.Project() as project:
        odd.Odd()
        odd.Nothing()
    run_here(project)
    assert shell.is_clean()
    shutil.rmtree("outs")
    shutil.rmtree("made here")
    shell.dvc("checkout")
    assert run_here(project).done == []
    shutil.rmtree("outs")
    assert sorted(run_here(project).restored) == ["Nothing", "Odd"]
    assert shell.is_clean()
