"""What docs/files.md says of deleted files is true."""

import shutil
import subprocess
import sys

import pytest
from ase import Atoms
from ase.build import bulk

import zn_pipeline as zn

SCRIPT = """\
import zn_pipeline as zn


class Count(zn.Node):
    n: int = zn.params(3)
    out: int = zn.outs()

    def run(self) -> None:
        print("ran")
        self.out = self.n


if __name__ == "__main__":
    with zn.Project() as project:
        count = Count()
    report = project.repro(executor=zn.SequentialExecutor(), quiet=True)
    print(*(stage.status.value for stage in report.stages.values()), count.out)
"""

AFTERWARDS = {
    "dvc.yaml": "unchanged",
    "params.yaml": "unchanged",
    "graph.json": "unchanged",
    "dvc.lock": "restored",
    ".gitignore": "unchanged",
    "outs/Count/node.log": "unchanged",
    "outs": "restored",
    ".dvc/cache/files": "unchanged",
    ".dvc/cache/runs": "unchanged",
    ".dvc/cache/zn_pipeline": "unchanged",
    ".dvc/tmp/zn_pipeline": "unchanged",
}


@pytest.fixture
def project(tmp_project, run_script):
    tmp_project.write(".gitignore", "/outs/\n")
    tmp_project.write("workflow.py", SCRIPT)
    assert run_script("workflow.py") == "done 3\n"
    tmp_project.commit("first")
    return tmp_project


def delete(project, name: str) -> None:
    path = project.path / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def znp(run_script, *arguments: str) -> str:
    return run_script("-m", "zn_pipeline.cli", *arguments)


def dvc(project, *arguments: str) -> None:
    command = [sys.executable, "-m", "dvc", *arguments]
    subprocess.run(command, cwd=project.path, check=True, capture_output=True)


def test_the_next_run_of_the_script_mends_it(project, run_script):
    for name, expected in AFTERWARDS.items():
        delete(project, name)
        assert (name, run_script("workflow.py")) == (name, f"{expected} 3\n")
        assert project.git("status", "--porcelain") == "", name


@pytest.mark.parametrize("name", ["params.yaml", "graph.json"])
def test_without_params_or_graph_nothing_runs(name, project, run_script):
    delete(project, name)
    with pytest.raises(AssertionError, match="must"):
        znp(run_script, "repro")
    assert "0 of 1 nodes are up to date" in znp(run_script, "status")


def test_without_the_graph_no_node_is_found(project):
    delete(project, "graph.json")
    with pytest.raises(zn.NodeNotFoundError):
        zn.from_rev("Count")


def test_a_deleted_cache_is_filled_by_dvc_commit(project, run_script):
    delete(project, ".dvc/cache")
    dvc(project, "commit", "--force")
    delete(project, "outs")
    assert run_script("workflow.py") == "restored 3\n"


def test_without_the_index_an_earlier_result_is_computed_again(project, run_script):
    other = SCRIPT.replace("params(3)", "params(4)")
    project.write("workflow.py", other)
    assert run_script("workflow.py") == "done 4\n"
    project.write("workflow.py", SCRIPT)
    assert run_script("workflow.py") == "restored 3\n"
    for folder in ("zn_pipeline", "runs"):
        delete(project, f".dvc/cache/{folder}")
    project.write("workflow.py", other)
    assert run_script("workflow.py") == "done 4\n"


def test_a_failure_is_known_by_its_file(project, run_script):
    project.write("workflow.py", SCRIPT.replace("self.out = self.n", "raise ValueError(self.n)"))
    with pytest.raises(AssertionError, match="ValueError: 3"):
        run_script("workflow.py")
    assert "failed     Count" in znp(run_script, "status")
    delete(project, "outs/Count/FAILED.txt")
    assert "stale      Count" in znp(run_script, "status")


ITEMS = ".dvc/cache/zn_pipeline/items"


def larger_than_one(atoms: Atoms) -> Atoms:
    if len(atoms) == 1:
        raise ValueError("too small")
    return atoms


def map_again() -> tuple[str, list[int]]:
    structures = [bulk("Cu"), bulk("Cu", cubic=True)]
    results = zn.map(larger_than_one, structures, out="all.h5", on_error="record")
    return str(results.report), results.rows.tolist()


def test_files_of_a_map_come_back(root, tmp_project):
    first = ("1 computed, 0 found in the store, 1 failed", [1])
    again = ("0 computed, 1 found in the store, 1 failed", [1])
    assert map_again() == first
    beside = {path.name for path in tmp_project.path.glob("all.h5*")}
    assert beside == {"all.h5", "all.h5.keys", "all.h5.failures.jsonl", "all.h5.failed.h5"}
    for name in beside:
        delete(tmp_project, name)
        assert map_again() == again
        assert (tmp_project.path / name).exists()
    text = (root / "docs" / "files.md").read_text()
    store = {path.name for path in (tmp_project.path / ITEMS).glob("*[!-]???")}
    assert store == {name for name in store if name in text} >= {"segments", "index.sqlite"}
    for name in ("index.sqlite", "leases.sqlite"):
        delete(tmp_project, f"{ITEMS}/{name}")
        assert map_again() == again
    delete(tmp_project, f"{ITEMS}/segments")
    assert map_again() == first


def test_only_a_node_with_its_list_of_failures_is_tried_again(project, run_script):
    mapped = 'self.out = len(self.map(sqrt, [self.n, -1], on_error="record"))'
    text = "from math import sqrt\n" + SCRIPT.replace("self.out = self.n", mapped)
    project.write("workflow.py", text)
    assert run_script("workflow.py") == "done 1\n"
    failures = project.path / "outs/Count/failures.jsonl"
    assert '"message": "math domain error"' in failures.read_text()
    assert "1 done" in znp(run_script, "repro", "--retry", "failed")
    failures.unlink()
    assert "1 unchanged" in znp(run_script, "repro", "--retry", "failed")


def test_the_page_names_every_file_of_a_project(root, project):
    text = (root / "docs" / "files.md").read_text()
    working = project.path / ".dvc" / "tmp" / "zn_pipeline"
    names = {path.name for folder in (project.path, working) for path in folder.iterdir()}
    names -= {"workflow.py", "__pycache__", ".git"}
    assert {"dvc.yaml", "outs", "hashes.json"} <= names
    assert not [name for name in names if name not in text]
