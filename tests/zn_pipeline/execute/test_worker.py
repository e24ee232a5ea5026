import dataclasses
import json
from pathlib import Path

import pytest

import zn_pipeline as zn
from zn_pipeline.execute.session import Session
from zn_pipeline.execute.worker import drop_records, read_record, read_records, run_task, save
from zn_pipeline.store.objects import hash_path


@pytest.fixture
def task(calc, tmp_project):
    """Return a function that gives the order to run a node."""
    with zn.Project() as project, project.group("g"):
        calc.Const(name="const", value=2)
        calc.Write(name="write", text="a")
        calc.Broken(name="broken")
    project.build()
    return Session(tmp_project.path).task


def test_a_result_holds_the_hashes_and_is_left_as_a_record(task, tmp_project):
    order = task("g/const")
    result = run_task(order)
    file = tmp_project.path / "outs" / "g" / "const" / "out.json"
    assert result.ok
    assert result.outs == {"outs/g/const/out.json": hash_path(file)[0]}
    assert json.loads(file.read_text()) == 2
    assert result.seconds > 0
    tmp = Path(order.tmp)
    assert read_records(tmp) == {"g_const": result}
    assert read_record(order.tmp, order) == result
    assert read_record(order.tmp, order, quick=True) is not None
    assert read_record(order.tmp, dataclasses.replace(order, key="other")) is None
    drop_records(tmp, ["g_const"])
    assert read_records(tmp) == {}
    assert read_record(order.tmp, order, quick=True) is None


def test_a_broken_record_is_no_record(task):
    order = task("g/const")
    folder = Path(order.tmp) / "results"
    folder.mkdir(parents=True)
    (folder / "g_const.json").write_text("{")
    assert read_records(Path(order.tmp)) == {}
    assert read_record(order.tmp, order) is None


def test_a_failure_is_returned_and_written_down(task, tmp_project):
    before = Path.cwd()
    result = run_task(task("g/broken"))
    assert result.error == "ValueError: no such luck"
    assert 'raise ValueError("no such luck")' in result.traceback
    assert (tmp_project.path / "outs/g/broken/FAILED.txt").read_text() == result.traceback
    assert read_records(Path(task("g/broken").tmp)) == {}
    assert Path.cwd() == before


def test_folder_and_environment_of_a_node_are_its_own(modules, tmp_project, monkeypatch):
    monkeypatch.setenv("GIVEN", "before")
    own = modules.make(
        "import os\n"
        "import zn_pipeline as zn\n"
        "class Move(zn.Node):\n"
        "    out: list[str] = zn.outs()\n"
        "    def run(self):\n"
        "        self.out = [os.environ['GIVEN'], os.environ.get('NEW', '')]\n"
        "        os.environ.update(GIVEN='after', NEW='1')\n"
        "        os.chdir('/')\n"
    )
    with zn.Project() as project:
        own.Move()
    project.build()
    for _ in range(2):
        assert run_task(Session(tmp_project.path).task("Move")).ok
        assert zn.from_rev("Move").out == ["before", ""]


@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()"])
def test_whatever_a_node_raises_is_its_failure(modules, tmp_project, error):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Bad(zn.Node):\n"
        f"    def run(self):\n        raise {error}\n"
    )
    with zn.Project() as project:
        own.Bad()
    project.build()
    result = run_task(Session(tmp_project.path).task("Bad"))
    assert result.error.startswith(error.partition("(")[0])


def test_the_work_dir_is_emptied_before_a_run(task, tmp_project):
    folder = tmp_project.path / "outs" / "g" / "write"
    folder.mkdir(parents=True)
    (folder / "left.txt").write_text("left")
    (folder / "text.txt").mkdir()
    assert run_task(task("g/write")).ok
    assert sorted(p.name for p in folder.iterdir()) == ["node.log", "text.txt"]


def test_outputs_outside_of_the_work_dir_are_removed_before_a_run(modules, tmp_project):
    own = modules.make(
        "import zn_pipeline as zn\nfrom pathlib import Path\n"
        "class Free(zn.Node):\n"
        "    files: list[Path] = zn.outs_path()\n"
        "    def run(self):\n"
        "        assert not any(f.exists() for f in self.files)\n"
        "        for f in self.files: f.write_text('x')\n"
    )
    tmp_project.write("data/a.txt", "old")
    tmp_project.write("b/inner.txt", "old folder")
    with zn.Project() as project:
        own.Free(files=["data/a.txt", "b", "c/d.txt"])
    project.build()
    result = run_task(Session(tmp_project.path).task("Free"))
    assert result.ok, result.traceback
    assert set(result.outs) == {"data/a.txt", "b", "c/d.txt"}


def test_output_of_children_goes_to_the_log(modules, tmp_project, capfd):
    own = modules.make(
        "import subprocess, sys\nimport zn_pipeline as zn\n"
        "class Loud(zn.Node):\n"
        "    def run(self):\n"
        "        print('own')\n"
        "        print('error', file=sys.stderr)\n"
        "        subprocess.run(['echo', 'child'], check=True)\n"
    )
    with zn.Project() as project:
        own.Loud()
    project.build()
    task = Session(tmp_project.path).task("Loud")
    run_task(task)
    log = (tmp_project.path / "outs/Loud/node.log").read_text()
    assert log.split() == ["own", "error", "child"]
    assert capfd.readouterr().out == ""
    run_task(task, log=False)
    assert capfd.readouterr().out.split() == ["own", "child"]


def test_save_names_the_field(calc, tmp_path):
    node = calc.Const(value=1, name="x")
    with pytest.raises(zn.PipelineError, match=r"x\.out must be set by run\(\)"):
        save(node, tmp_path)
    node.out = {1, 2}
    with pytest.raises(zn.PipelineError, match=r"x\.out must be a value that its codec \(\.json\)"):
        save(node, tmp_path)


def test_progress_is_left_for_the_display(modules, tmp_project):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Many(zn.Node):\n"
        "    out: list[int] = zn.outs()\n"
        "    def run(self):\n        self.out = self.map(abs, [-1, -2])\n"
    )
    with zn.Project() as project:
        own.Many()
    project.build()
    task = Session(tmp_project.path).task("Many")
    assert run_task(task).ok
    assert (Path(task.tmp) / "progress" / "Many").read_text() == "2 2"
