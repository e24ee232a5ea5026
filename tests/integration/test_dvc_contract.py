"""What we write, stock DVC reads as its own, and the other way round.

`test_oldest_dvc.py` runs this file once more under the oldest supported DVC.
"""

import json
import shutil
import stat
from pathlib import Path

import pytest

import zn_pipeline as zn
from zn_pipeline.store.lockfile import LockFile

ALL = ["Const", "Files", "ReadFolder", "Scale"]


@pytest.fixture
def project(tmp_project, my_nodes):
    """Four nodes: values, metrics, plots, and a folder that another node reads."""
    with zn.Project() as project:
        const = my_nodes.Const(value=1.5)
        my_nodes.Scale(x=const.out)
        files = my_nodes.Files()
        my_nodes.ReadFolder(folder=files.folder)
    return project


def run_here(project: zn.Project) -> zn.RunReport:
    return project.repro(executor=zn.SequentialExecutor())


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder but logs, which are no outputs."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "node.log"
    }


def test_after_our_run_dvc_has_nothing_to_do(project, shell, run_log):
    assert sorted(run_here(project).done) == ALL
    assert run_log.take() == ALL
    lock = Path("dvc.lock").read_bytes()
    assert shell.is_clean()
    assert "Running stage" not in shell.dvc("repro")
    assert run_log.take() == []
    assert Path("dvc.lock").read_bytes() == lock
    assert shell.stale() == []


def test_the_command_line_runs_the_same(project, shell, run_log):
    project.build()
    shell.znp("repro", "--quiet", "-j", "2")
    assert run_log.take() == ALL
    assert shell.is_clean()
    shell.znp("repro", "--quiet")
    assert run_log.take() == []


def test_after_dvc_repro_we_have_nothing_to_do(project, shell, run_log):
    run_here(project)
    run_log.take()
    ours, cache, runs = written()
    shutil.rmtree("outs")
    shutil.rmtree(".dvc/cache")
    Path("dvc.lock").unlink()
    shell.dvc("repro")
    assert run_log.take() == ALL
    assert written() == (ours, cache, runs), "we and DVC write the same"
    assert shell.stale() == []
    assert sorted(run_here(project).unchanged) == ALL
    assert project.nodes["Scale"].out == 3.0

    shutil.rmtree("outs")
    Path("dvc.lock").unlink()
    assert sorted(run_here(project).restored) == ALL, "by DVC's run-cache"
    assert run_log.take() == []
    assert shell.is_clean()


def written() -> tuple[dict[str, object], dict[str, bytes], set[str]]:
    """Return the entries of `dvc.lock`, the objects of the cache, the names in the run-cache."""
    lock = LockFile(Path("dvc.lock"))
    runs = {path.name for path in Path(".dvc/cache/runs").rglob("*") if path.is_file()}
    return {name: lock.entry(name) for name in ALL}, contents(Path(".dvc/cache/files")), runs


def test_dvc_checkout_restores_files_and_folders(project, shell):
    run_here(project)
    before = contents(Path("outs"))
    Path("outs/Const/out.json").unlink()
    shutil.rmtree("outs/Files")
    Path("outs/Scale/out.json").write_text("0")
    shell.dvc("checkout", "--force")
    assert contents(Path("outs")) == before
    assert shell.is_clean()
    assert shell.stale() == []


def test_we_restore_what_was_deleted_without_running(project, shell, run_log):
    run_here(project)
    before = contents(Path("outs"))
    run_log.take()
    shutil.rmtree("outs")
    report = run_here(project)
    assert sorted(report.restored) == ALL
    assert run_log.take() == []
    assert contents(Path("outs")) == before
    assert shell.is_clean()


def test_dvc_restores_our_results_from_its_run_cache(project, shell, run_log):
    run_here(project)
    before = contents(Path("outs"))
    run_log.take()
    shutil.rmtree("outs")
    Path("dvc.lock").unlink()
    shell.dvc("repro")
    assert run_log.take() == []
    assert contents(Path("outs")) == before
    assert shell.stale() == []


def test_push_and_pull_by_a_local_remote(project, shell, tmp_path_factory):
    storage = tmp_path_factory.mktemp("storage")
    with Path(".dvc/config").open("a") as config:
        config.write(f"    remote = storage\n['remote \"storage\"']\n    url = {storage}\n")
    run_here(project)
    before = contents(Path("outs"))
    shell.dvc("push")
    shutil.rmtree("outs")
    shutil.rmtree(".dvc/cache")
    shell.dvc("pull")
    assert contents(Path("outs")) == before
    assert shell.is_clean()
    assert run_here(project).done == []


@pytest.mark.slow
def test_an_edited_parameter_is_seen_by_both(project, shell, run_log):
    run_here(project)
    run_log.take()
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("factor: 2.0", "factor: 4.0"))
    assert "Scale" in json.loads(shell.dvc("status", "--json"))
    assert shell.stale() == ["Scale"]
    shell.dvc("repro")
    assert run_log.take() == ["Scale"]
    assert shell.stale() == []
    assert zn.from_rev("Scale").out == 6.0


@pytest.mark.slow
def test_an_experiment_changes_a_parameter(project, shell, tmp_project, run_log):
    run_here(project)
    tmp_project.commit("first")
    run_log.take()
    shell.dvc("exp", "run", "--name", "triple", "-S", "Scale.factor=3")
    assert run_log.take() == ["Scale"]
    assert zn.from_rev("Scale", rev="triple").out == 4.5
    assert zn.from_rev("Scale", rev="HEAD").out == 3.0
    assert zn.from_rev("Scale", rev="triple").factor == 3.0
    assert shell.stale() == []


@pytest.mark.slow
def test_an_executable_output_stays_executable(tmp_project, shell, my_nodes):
    tmp_project.write(
        "scripts.py",
        "import zn_pipeline as zn\n"
        "class Script(zn.Node):\n"
        "    file: str = zn.outs_path(zn.nwd / 'go.sh')\n"
        "    def run(self):\n"
        "        with open(self.file, 'w') as f: f.write('true')\n"
        "        import os; os.chmod(self.file, 0o755)\n",
    )
    import scripts

    with zn.Project() as project:
        scripts.Script()
    run_here(project)
    assert shell.is_clean()
    shutil.rmtree("outs")
    assert run_here(project).restored == ["Script"]
    assert Path("outs/Script/go.sh").stat().st_mode & stat.S_IXUSR
    assert shell.is_clean()


def test_while_dvc_runs_we_are_refused(project, shell, my_nodes, run_log, go_on, until):
    with project:
        my_nodes.Sleep(x=project.nodes["Const"].out)
    project.build()
    running = shell.start("dvc", "repro")
    until(lambda: run_log.counts()["Sleep"], "the sleeping stage")
    lock = Path("dvc.lock").read_bytes() if Path("dvc.lock").exists() else b""
    with project:
        my_nodes.Const(value=7.0, name="Late")
    with pytest.raises(zn.BusyError, match="DVC"):
        run_here(project)
    assert "Late" not in run_log.counts()
    go_on.touch()
    said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert Path("dvc.lock").read_bytes() != lock
    assert run_here(project).done == ["Late"]
    assert shell.is_clean()


def test_while_we_run_dvc_is_refused(project, shell, my_nodes, run_log, go_on, until):
    with project:
        my_nodes.Sleep(x=project.nodes["Const"].out)
    project.build()
    running = shell.start("znp", "repro", "--quiet", "-j", "1")
    until(lambda: run_log.counts()["Sleep"], "the sleeping node")
    before = contents(Path("outs"))
    counts = run_log.counts()
    assert "busy" in shell.dvc("repro", code=255)
    said = shell.znp("repro", code=1)
    assert said.startswith("error: only one run may change")
    assert len(said.splitlines()) == 1
    assert contents(Path("outs")) == before
    assert run_log.counts() == counts
    go_on.touch()
    said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert shell.is_clean()
    assert set(run_log.take()) == {*ALL, "Sleep"}
    shell.dvc("repro")
    assert run_log.take() == []
