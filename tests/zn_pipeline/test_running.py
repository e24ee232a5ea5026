"""A run from start to end: values afterwards, failures, scripts, free objects."""

import subprocess
import sys
from pathlib import Path

import pytest

import zn_pipeline as zn
from zn_pipeline.testing import TemporaryProject


def test_nodes_give_values_after_a_run(calc, tmp_project):
    with zn.Project() as project:
        x = calc.Const(name="x", value=3)
        y = calc.Sub(name="y", a=x.out, b=x.value)
        s = calc.Sequence(length=2)
        echo = calc.Echo(value={"list": s.numbers[::-1], "node": x})
    project.build()
    with pytest.raises(zn.NotRunError, match=r"x\.out does not exist yet: .*zn-pipeline repro"):
        _ = x.out
    project.repro(["y", "Sequence"], executor=zn.SequentialExecutor())
    assert (x.out, y.out, y.a, y.b) == (3.0, 0.0, 3.0, 3.0)
    assert echo.value["list"] == [1, 0]
    assert echo.value["node"].out == 3.0
    assert (x.plus, x.power(2)) == (4.0, 9.0)
    with pytest.raises(zn.NotRunError, match=r"Echo\.out"):
        _ = echo.out


def test_values_are_new_after_a_second_run(calc, tmp_project):
    with zn.Project() as project:
        x = calc.Const(name="x", value=3)
        y = calc.Echo(name="y", value=x.out)
    project.repro(executor=zn.SequentialExecutor())
    assert (x.out, y.out, y.value) == (3.0, 3.0, 3.0)
    x.value = 4
    project.repro(executor=zn.SequentialExecutor())
    assert (x.out, y.out, y.value) == (4.0, 4.0, 4.0)
    assert zn.from_rev("y").out == 4.0


def test_a_node_is_a_plain_object(calc, tmp_path: Path):
    node = calc.Sub(a=5, b=3)
    node.run()
    assert node.out == 2
    write = calc.Write(text="hello")
    write.run()
    assert write.file.read_text() == "hello"
    assert write.file.parent == write.nwd
    read = calc.Read(first=write.file)
    read.run()
    assert read.out == "hello"
    read.first = str(tmp_path / "other.txt")
    (tmp_path / "other.txt").write_text("other")
    read.run()
    assert read.out == "other"


def test_only_targets_and_what_they_need_run(calc, repro):
    with repro(targets=["g/Echo"]) as project:
        x = calc.Const(value=1)
        with project.group("g"):
            calc.Echo(value=x.out)
        calc.Const(name="aside", value=2)
    assert list(repro.report.stages) == ["Const", "g_Echo"]
    message = "received 'Cosnt'; did you mean 'Const'"
    with pytest.raises(zn.NodeNotFoundError, match=message), repro(targets=["Cosnt"]):
        calc.Const(value=1)


def test_force_runs_what_is_up_to_date(calc, repro):
    for _ in range(2):
        with repro(force=True):
            calc.Echo(value=calc.Const(value=1).out)
    assert repro.done == {"Const", "Echo"}


def test_a_removed_output_is_restored(calc, repro, tmp_project: TemporaryProject):
    for damage in ("remove", "change"):
        with repro():
            x = calc.Const(value=1)
        file = tmp_project.path / "outs" / "Const" / "out.json"
        file.unlink()
        if damage == "change":
            file.write_text("7")
        with repro():
            x = calc.Const(value=1)
        assert repro.report.restored == ["Const"]
        assert x.out == 1


def build_with_failure(calc):
    bad = calc.Broken(name="bad")
    below = calc.Echo(name="below", value=bad.out)
    calc.Echo(name="deeper", value=below.out)
    good = calc.Const(name="good", value=1)
    calc.Echo(name="sibling", value=good.out)
    return bad


@pytest.mark.parametrize(
    "executor", [zn.SequentialExecutor, lambda: zn.DaskExecutor(1)], ids=["sequential", "dask"]
)
def test_a_failure_stops_only_what_depends_on_it(calc, tmp_project, executor):
    with zn.Project() as project:
        bad = build_with_failure(calc)
    expected = r"bad failed: ValueError: no such luck\nskipped: below, deeper"
    with pytest.raises(zn.NodeFailedError, match=expected):
        project.repro(executor=executor())
    folder = tmp_project.path / "outs" / "bad"
    assert 'raise ValueError("no such luck")' in (folder / "FAILED.txt").read_text()
    log = (folder / "node.log").read_text()
    assert "about to fail" in log
    assert "ValueError: no such luck" in log
    report = project.repro(executor=zn.SequentialExecutor(), check=False)
    assert (report.failed, report.skipped) == (["bad"], ["below", "deeper"])
    assert report.unchanged == ["good", "sibling"]
    assert report.stages["deeper"].reason == "below did not finish"
    states = {status.name: status.state for status in project.status()}
    assert states == {
        "bad": "failed", "below": "waiting", "deeper": "waiting",
        "good": "up to date", "sibling": "up to date",
    }  # fmt: skip
    with pytest.raises(zn.NotRunError):
        _ = bad.out


def test_a_mended_node_finishes_the_run(calc, modules, repro):
    with repro(check=False):
        build_with_failure(calc)
    calc = modules.edit(calc, ('raise ValueError("no such luck")', "self.out = 7"))
    with repro():
        build_with_failure(calc)
    assert repro.done == {"bad", "below", "deeper"}
    assert repro.report.ok


def test_fail_fast_starts_nothing_more(calc, repro):
    with repro(check=False, keep_going=False):
        calc.Broken(name="bad")
        calc.Echo(value=calc.Const(value=1).out)
    assert repro.report.failed == ["bad"]
    assert "Echo" in repro.report.skipped
    assert repro.report.stages["Echo"].reason == "stopped after a failure"


def test_an_output_that_was_not_set_is_a_failure(modules, repro):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "from pathlib import Path\n"
        "class Lazy(zn.Node):\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n        pass\n"
        "class LazyFile(zn.Node):\n"
        "    file: Path = zn.outs_path(zn.nwd / 'a.txt')\n"
        "    def run(self):\n        pass\n"
        "class Odd(zn.Node):\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n        self.out = object()\n"
    )
    with repro(check=False):
        own.Lazy(), own.LazyFile(), own.Odd()
    errors = {name: stage.error for name, stage in repro.report.stages.items()}
    assert "Lazy.out must be set by run(), but it was not" in errors["Lazy"]
    assert "LazyFile must write outs/LazyFile/a.txt" in errors["LazyFile"]
    assert "Odd.out must be a value that its codec (.json) can write" in errors["Odd"]


def test_what_run_does_to_params_stays_in_run(modules, repro, tmp_project):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Change(zn.Node):\n"
        "    numbers: list[int] = zn.params()\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n"
        "        self.numbers.append(1)\n"
        "        self.out = len(self.numbers)\n"
    )
    with repro():
        own.Change(numbers=[])
        again = own.Change(numbers=[])
    assert again.out == 1
    with repro():
        own.Change(numbers=[])
        own.Change(numbers=[])
    assert len(repro.report.unchanged) == 2


def test_a_failed_node_finds_its_scratch_again(modules, repro, tmp_project):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Resume(zn.Node):\n"
        "    resources = zn.Resources(retries=1)\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n"
        "        mark = self.scratch / 'mark'\n"
        "        if not mark.exists():\n"
        "            mark.write_text('1')\n"
        "            raise RuntimeError('first attempt')\n"
        "        self.out = 1\n"
    )
    with repro():
        node = own.Resume()
    assert node.out == 1
    scratch = tmp_project.path / ".dvc" / "tmp" / "zn_pipeline" / "scratch"
    assert not list(scratch.glob("*"))


SCRIPT = """\
import zn_pipeline as zn

class Add(zn.Node):
    \"\"\"Add.\"\"\"
    a: float = zn.params()
    b: float = zn.deps(None)
    out: float = zn.outs()

    def run(self):
        self.out = self.a + (self.b or 0)

if __name__ == "__main__":
    with zn.Project() as project:
        x = Add(a=1)
        y = Add(a=2, b=x.out)
    project.repro(executor=zn.DaskExecutor(1))
    print("result:", y.out)
"""


def test_classes_of_a_script_run_in_workers_and_by_the_command(tmp_project: TemporaryProject):
    tmp_project.write("workflow.py", SCRIPT)
    done = subprocess.run(
        [sys.executable, "workflow.py"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "result: 3.0\n", done.stderr
    assert '"workflow:Add"' in (tmp_project.path / "graph.json").read_text()
    (tmp_project.path / "outs" / "Add_1" / "out.json").unlink()
    command = Path(sys.executable).with_name("zn-pipeline")
    done = subprocess.run([command, "run", "Add_1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_project.path / "outs" / "Add_1" / "out.json").read_text() == "3.0\n"


def test_stock_dvc_agrees_with_a_run(calc, repro, tmp_project: TemporaryProject):
    with repro() as project, project.group("g"):
        x = calc.Const(value=1)
        calc.Through(node=x)
        calc.Read(first=calc.Write(text="a").file)
        calc.Total(numbers=[x.out, x.value])
    command = [sys.executable, "-m", "dvc"]
    done = subprocess.run([*command, "status"], capture_output=True, text=True, check=False)
    assert done.stdout == "Data and pipelines are up to date.\n", done.stdout + done.stderr


def test_a_stage_of_stock_dvc_runs_in_its_turn(calc, tmp_project: TemporaryProject):
    tmp_project.write(
        "dvc.yaml",
        "stages:\n"
        "  upper:\n"
        "    cmd: tr a-z A-Z < outs/Write/text.txt > upper.txt\n"
        "    deps:\n    - outs/Write/text.txt\n"
        "    outs:\n    - upper.txt\n",
    )
    with zn.Project() as project:
        calc.Write(text="word")
        read = calc.Read(first="upper.txt")
    report = project.repro(executor=zn.SequentialExecutor())
    assert report.ok
    assert read.out == "WORD"
