"""A result is never stale and never computed twice: what a run notices, and what it does not."""

import json

import pytest

import zn_pipeline as zn
from zn_pipeline.execute.session import Session
from zn_pipeline.testing import TemporaryProject

both_executors = pytest.mark.parametrize(
    "executor", [zn.SequentialExecutor, lambda: zn.DaskExecutor(1)], ids=["sequential", "dask"]
)


@both_executors
def test_swapped_dependencies_rerun(calc, repro, executor):
    with repro(executor()):
        x, y = calc.Const(name="x", value=10), calc.Const(name="y", value=1)
        first = calc.Sub(a=x.out, b=y.out)
    assert first.out == 9.0
    with repro(executor()):
        x, y = calc.Const(name="x", value=10), calc.Const(name="y", value=1)
        second = calc.Sub(a=y.out, b=x.out)
    assert repro.done == {"Sub"}
    assert second.out == -9.0
    assert second.a == 1


def test_swapped_dependency_files_rerun(calc, repro, tmp_project: TemporaryProject):
    tmp_project.write("one.txt", "1")
    tmp_project.write("two.txt", "2")
    with repro():
        first = calc.Read(first="one.txt", second="two.txt")
    assert first.out == "1|2"
    with repro():
        second = calc.Read(first="two.txt", second="one.txt")
    assert repro.done == {"Read"}
    assert second.out == "2|1"


def test_changed_targets_of_a_dict_rerun(calc, repro):
    def build(left, right):
        with repro():
            x, y = calc.Const(name="x", value=10), calc.Const(name="y", value=1)
            nodes = {"x": x, "y": y}
            return calc.Echo(value={"left": nodes[left].out, "right": nodes[right].out})

    assert build("x", "y").out == {"left": 10, "right": 1}
    assert build("y", "x").out == {"left": 1, "right": 10}
    assert repro.done == {"Echo"}


def test_a_dependency_removed_from_a_list_reruns(calc, repro):
    with repro():
        x, y = calc.Const(name="x", value=10), calc.Const(name="y", value=1)
        first = calc.Total(numbers=[x.out, y.out])
    assert first.out == 11
    with repro():
        x, y = calc.Const(name="x", value=10), calc.Const(name="y", value=1)
        second = calc.Total(numbers=[y.out])
    assert repro.done == {"Total"}
    assert second.out == 1


@pytest.mark.parametrize(("attribute", "value"), [("minus", 4), ("out", 5), ("value", 5)])
def test_another_property_of_the_same_node_reruns(calc, repro, attribute, value):
    with repro():
        first = calc.Echo(value=calc.Const(value=5).plus)
    assert first.out == 6
    with repro():
        second = calc.Echo(value=getattr(calc.Const(value=5), attribute))
    assert "Echo" in repro.done
    assert second.out == value


@both_executors
def test_a_param_read_through_a_whole_node_counts(calc, repro, executor):
    with repro(executor()):
        first = calc.Through(node=calc.Const(value=5))
    assert first.out == 5005
    with repro(executor()):
        second = calc.Through(node=calc.Const(value=7))
    assert repro.done == {"Const", "Through"}
    assert second.out == 7007


def test_a_param_read_through_a_whole_node_counts_if_outputs_stay(modules, repro):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Shy(zn.Node):\n"
        "    value: int = zn.params()\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n        self.out = 0\n"
        "class Look(zn.Node):\n"
        "    node: Shy = zn.deps()\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n        self.out = self.node.value\n"
    )
    with repro():
        first = own.Look(node=own.Shy(value=1))
    assert first.out == 1
    with repro():
        second = own.Look(node=own.Shy(value=2))
    assert second.out == 2


def test_a_param_of_another_node_is_a_dependency(calc, repro):
    for value in (5, 7):
        with repro():
            echo = calc.Echo(value=calc.Const(value=value).value)
        assert echo.out == value
        assert "Echo" in repro.done


CODE = """\
import zn_pipeline as zn
from {helper} import triple, Scale
import {helper} as tools


class Work(zn.Node):
    \"\"\"Work.\"\"\"

    value: int = zn.params()
    out: float = zn.outs()

    def run(self) -> None:
        # a comment
        self.out = triple(self.value) + Scale().factor + tools.OFFSET
"""
HELPER = """\
OFFSET = 100
UNUSED = 0


def triple(x):
    \"\"\"Triple a number.\"\"\"
    return _times(x, 3)


def _times(x, y):
    return x * y


class Scale:
    factor = 10
"""


@pytest.mark.parametrize(
    ("where", "old", "new", "result"),
    [
        ("node", "triple(self.value) +", "2 * triple(self.value) +", 116),
        ("helper", "_times(x, 3)", "_times(x, 4)", 114),
        ("helper", "x * y", "x * y * 2", 116),
        ("helper", "factor = 10", "factor = 20", 123),
        ("helper", "OFFSET = 100", "OFFSET = 200", 213),
    ],
    ids=["run", "function", "inner function", "class", "constant"],
)
def test_edited_code_reruns(modules, repro, where, old, new, result):
    helper = modules.make(HELPER)
    own = modules.make(CODE.format(helper=helper.__name__))
    with repro():
        first = own.Work(value=1)
    assert first.out == 113
    modules.edit(helper if where == "helper" else own, (old, new))
    own = modules.edit(own)
    with repro():
        second = own.Work(value=1)
    assert repro.done == {"Work"}
    assert second.out == result
    assert f"code of {own.__name__}:Work changed" in repro.report.stages["Work"].reason


@pytest.mark.parametrize(
    ("where", "old", "new"),
    [
        ("node", "# a comment", "# another\n        # comment"),
        ("node", '"""Work."""', '"""Do something else."""'),
        ("node", "    value: int = zn.params()\n", "    value: int = (\n  zn.params( ) )\n\n\n"),
        ("helper", '"""Triple a number."""', '"""Multiply."""'),
        ("helper", "UNUSED = 0", "UNUSED = 1"),
    ],
    ids=["comment", "docstring", "formatting", "docstring of a function", "unused constant"],
)
def test_edited_text_that_does_nothing_does_not_rerun(modules, repro, where, old, new):
    helper = modules.make(HELPER)
    own = modules.make(CODE.format(helper=helper.__name__))
    with repro():
        own.Work(value=1)
    modules.edit(helper if where == "helper" else own, (old, new))
    own = modules.edit(own)
    with repro():
        own.Work(value=1)
    assert repro.report.unchanged == ["Work"]


def test_dask_workers_run_edited_code(modules, repro):
    own = modules.make(CODE.format(helper=modules.make(HELPER).__name__))
    with repro(zn.DaskExecutor(1)):
        own.Work(value=1)
    own = modules.edit(own, ("triple(self.value) +", "2 * triple(self.value) +"))
    with repro(zn.DaskExecutor(1)):
        second = own.Work(value=1)
    assert second.out == 116


def test_a_version_replaces_the_code(modules, repro):
    source = CODE.replace("(zn.Node)", '(zn.Node, version="1")')
    own = modules.make(source.format(helper=modules.make(HELPER).__name__))
    with repro():
        own.Work(value=1)
    own = modules.edit(own, ("triple(self.value) +", "2 * triple(self.value) +"))
    with repro():
        own.Work(value=1)
    assert repro.report.unchanged == ["Work"]
    own = modules.edit(own, ('version="1"', 'version="2"'))
    with repro():
        changed = own.Work(value=1)
    assert repro.done == {"Work"}
    assert changed.out == 116


def test_a_list_of_many_numbers_runs(modules, repro):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Many(zn.Node):\n"
        "    numbers: list[float] = zn.params()\n"
        "    out: float = zn.outs()\n"
        "    def run(self):\n        self.out = sum(self.numbers)\n"
    )
    numbers = [0.1 * i for i in range(20_000)]
    with repro():
        many = own.Many(numbers=numbers)
    assert many.out == sum(numbers)
    with repro():
        own.Many(numbers=numbers)
    assert repro.report.unchanged == ["Many"]


def test_a_missing_file_is_an_error_that_names_it(calc, repro):
    with repro(check=False):
        calc.Read(first="nowhere.txt")
        calc.Const(value=1)
    assert repro.report.failed == ["Read"]
    assert "nowhere.txt must exist" in repro.report.stages["Read"].error
    assert repro.report.done == ["Const"]
    with pytest.raises(zn.NodeFailedError, match=r"Read failed: .*nowhere\.txt"), repro():
        calc.Read(first="nowhere.txt")


def test_a_renamed_node_is_restored(calc, repro):
    with repro():
        calc.Echo(value=calc.Const(value=3).out)
    with repro():
        x = calc.Const(name="renamed", value=3)
        y = calc.Echo(name="other", value=x.out)
    assert repro.report.restored == ["renamed", "other"]
    assert y.out == 3
    assert y.nwd.as_posix() == "outs/other"


def test_a_regrouped_node_is_restored(calc, repro):
    with repro():
        x = calc.Const(value=3)
        calc.Through(node=x)
        calc.Read(first=calc.Write(text="a").file)
    with repro() as project, project.group("g", "h"):
        x = calc.Const(value=3)
        y = calc.Through(node=x)
        z = calc.Read(first=calc.Write(text="a").file)
    assert repro.report.done == []
    assert len(repro.report.restored) == 4
    assert y.out == 3003
    assert z.out == "a"


def test_a_restored_node_is_not_mistaken_for_another(calc, repro):
    """Two nodes of one class and one shape of wiring differ by what they read."""
    with repro():
        calc.Echo(name="one", value=calc.Const(name="x", value=1).out)
    with repro():
        calc.Const(name="x", value=1)
        other = calc.Echo(name="two", value=calc.Const(name="y", value=2).out)
    assert other.out == 2


def test_the_same_result_on_another_branch_is_restored(calc, repro, tmp_project):
    def run(value):
        with repro():
            return calc.Const(value=value)

    run(1), run(2)
    assert repro.done == {"Const"}
    assert run(1).out == 1
    assert repro.report.restored == ["Const"]


def test_an_identical_output_stops_the_wave(calc, repro):
    for value in (5, 7):
        with repro():
            sign = calc.Sign(number=calc.Const(value=value).out)
            calc.Echo(value=sign.out)
    assert repro.done == {"Const", "Sign"}
    assert repro.report.unchanged == ["Echo"]


def test_one_line_of_gitignore(calc, repro, tmp_project: TemporaryProject):
    (tmp_project.path / ".gitignore").unlink()
    tmp_project.commit()
    with repro() as project, project.group("g"):
        calc.Read(first=calc.Write(text="a").file)
    files = [f for f in tmp_project.path.rglob(".gitignore") if ".dvc" not in f.parts]
    assert [file.relative_to(tmp_project.path).as_posix() for file in files] == [".gitignore"]
    assert files[0].read_text() == "/outs/\n"
    left = tmp_project.git("status", "--porcelain").split()[1::2]
    assert set(left) - {"__pycache__/"} == {
        ".gitignore", "dvc.lock", "dvc.yaml", "graph.json", "params.yaml"
    }  # fmt: skip


def test_graph_json_holds_no_values_of_params(calc, repro, tmp_project: TemporaryProject):
    """Otherwise ``dvc exp run -S Const.value=...`` would change only half of the key."""
    with repro():
        calc.Const(value=1234.5)
    assert "1234.5" not in (tmp_project.path / "graph.json").read_text()
    assert json.loads((tmp_project.path / "graph.json").read_text())["Const"]["code"]


def test_a_param_edited_in_the_file_counts(calc, repro, tmp_project: TemporaryProject):
    with repro():
        calc.Const(value=1)
    file = tmp_project.path / "params.yaml"
    file.write_text(file.read_text().replace("value: 1", "value: 2"))
    report = Session(tmp_project.path).repro((), zn.SequentialExecutor())
    assert report.done == ["Const"]
    assert zn.from_rev("Const").out == 2
