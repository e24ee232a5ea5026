"""What a build writes, what it leaves alone, and what it refuses."""

import json
import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import zn_pipeline as zn
from zn_pipeline.errors import BuildError, CycleError, FieldError, NameCollisionError
from zn_pipeline.testing import TemporaryProject

FILES = {"dvc.yaml", "params.yaml", "graph.json"}


def built(tmp_project: TemporaryProject) -> dict:
    """Return the content of ``dvc.yaml``."""
    return YAML(typ="safe").load((tmp_project.path / "dvc.yaml").read_text())


def files_of(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if ".git" not in p.parts}


def test_build_writes_three_files(calc, tmp_project: TemporaryProject):
    before = files_of(tmp_project.path)
    with zn.Project() as project:
        calc.Echo(value=calc.Const(value=1).out)
    project.build()
    assert files_of(tmp_project.path) - before == FILES


def test_build_is_idempotent_and_touches_nothing_the_second_time(calc, tmp_project):
    def build():
        with zn.Project() as project, project.group("g"):
            x = calc.Const(value=0.1)
            calc.Echo(value=[x.out, x.plus])
        project.build()
        return {f: (tmp_project.path / f).stat() for f in FILES}

    first, second = build(), build()
    for file in FILES:
        assert first[file].st_mtime_ns == second[file].st_mtime_ns
        assert first[file].st_ino == second[file].st_ino


def test_a_failing_build_touches_nothing(calc, tmp_project: TemporaryProject):
    with zn.Project() as project:
        calc.Const(value=1)
    project.build()
    before = {f: (tmp_project.path / f).read_bytes() for f in FILES}
    with zn.Project() as project:
        calc.Const(value=2)
        calc.Echo(value={1, 2})
    with pytest.raises(FieldError, match=r"Echo\.value must be"):
        project.build()
    assert {f: (tmp_project.path / f).read_bytes() for f in FILES} == before


def test_build_inside_the_block_is_refused(calc):
    with zn.Project() as project:
        calc.Const(value=1)
        with pytest.raises(BuildError, match="after the project's with block"):
            project.build()


def test_the_entry_of_a_stage(calc, tmp_project: TemporaryProject):
    with zn.Project() as project, project.group("g"):
        x = calc.Const(value=1.5)
        calc.Through(name="t", node=x)
    project.build()
    stages = built(tmp_project)["stages"]
    assert stages["g_Const"] == {
        "cmd": "zn-pipeline run g_Const",
        "params": [{"graph.json": ["g_Const"]}, "g_Const"],
        "outs": ["outs/g/Const/out.json"],
    }
    assert stages["g_t"]["params"] == [{"graph.json": ["g_t", "g_Const"]}, "g_Const"]
    assert stages["g_t"]["deps"] == ["outs/g/Const/out.json"]
    assert (tmp_project.path / "params.yaml").read_text() == "g_Const:\n  value: 1.5\n"


def test_explicit_and_automatic_names_never_lose_a_node(calc):
    with zn.Project() as project:
        nodes = [
            calc.Const(name="Const_1", value=0),
            calc.Const(value=1),
            calc.Const(value=2),
            calc.Const(name="Const_3", value=3),
            calc.Const(value=4),
            calc.Const(value=5),
        ]
    names = [node.name for node in nodes]
    assert names == ["Const_1", "Const", "Const_2", "Const_3", "Const_4", "Const_5"]
    assert list(project.nodes.values()) == nodes


def test_a_repeated_name_is_refused(calc):
    with zn.Project() as project:
        calc.Const(name="x", value=1)
        with project.group("g"):
            calc.Const(name="x", value=1)
        with pytest.raises(NameCollisionError, match="must be unique, received 'x'"):
            calc.Echo(name="x", value=None)


def test_groups_that_give_the_same_stage_name_collide(calc):
    with zn.Project() as project:
        with project.group("g", "h"):
            calc.Const(value=1)
        with (
            project.group("g_h"),
            pytest.raises(NameCollisionError, match=r"'g_h/Const'.*'g_h_Const' as 'g/h/Const'"),
        ):
            calc.Const(name="Const", value=1)


@pytest.mark.parametrize("name", ["a/b", "a b", "a.b", "a@b", "a:b", "a,b", "", "-a", "ä", 3])
def test_other_characters_in_names_are_refused(calc, name):
    with zn.Project() as project:
        with pytest.raises(BuildError, match="a node name must consist of letters"):
            calc.Const(name=name, value=1)
        with pytest.raises(BuildError, match="a group name must"), project.group(name):
            pass


PATHS = """\
import zn_pipeline as zn
from pathlib import Path

class Free(zn.Node):
    file: Path = zn.outs_path()
    def run(self): self.file.write_text("x")
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [("a.txt", "a.txt"), ("folder", "folder/a.txt"), ("a/b/c", "a"), ("./a.txt", "a.txt")],
)
def test_two_nodes_that_write_one_path_are_refused(modules, first, second):
    own = modules.make(PATHS)
    with zn.Project() as project:
        own.Free(file=first)
        own.Free(file=second)
    with pytest.raises(NameCollisionError, match="must write a path of its own"):
        project.build()


FOREIGN = """\
# what this file is about
vars:
- limit: 3

stages:
  # fetches the data
  fetch:
    cmd: echo 1 > raw.txt   # quickly
    outs:
    - raw.txt

  each:
    foreach: [a, b]
    do:
      cmd: echo ${item}

metrics:
- scores.json
plots:
- loss.csv:
    x: step
"""


def test_foreign_parts_survive_a_build(calc, tmp_project: TemporaryProject):
    file = tmp_project.write("dvc.yaml", FOREIGN)
    tmp_project.write("params.yaml", "limit: 3\nmine:\n  a: 1\n")
    for value in (1, 2):
        with zn.Project() as project:
            calc.Const(value=value)
        project.build()
    text = file.read_text()
    for line in FOREIGN.splitlines():
        if line.strip() and "loss" not in line and "step" not in line:
            assert line in text
    content = built(tmp_project)
    assert list(content["stages"]) == ["fetch", "each", "Const"]
    assert content["plots"] == [{"loss.csv": {"x": "step"}}]
    params = YAML(typ="safe").load((tmp_project.path / "params.yaml").read_text())
    assert params == {"limit": 3, "mine": {"a": 1}, "Const": {"value": 2}}
    again = file.stat().st_mtime_ns
    project.build()
    assert file.stat().st_mtime_ns == again


def test_a_node_that_is_gone_leaves_the_files(calc, tmp_project: TemporaryProject):
    with zn.Project() as project:
        calc.Const(name="x", value=1)
        calc.Const(name="kept", value=1)
    project.build()
    with zn.Project() as project:
        calc.Const(name="kept", value=1)
    project.build()
    assert list(built(tmp_project)["stages"]) == ["kept"]
    assert (tmp_project.path / "params.yaml").read_text() == "kept:\n  value: 1\n"
    assert list(json.loads((tmp_project.path / "graph.json").read_text())) == ["kept"]


def test_a_foreign_stage_keeps_its_name(calc, tmp_project: TemporaryProject):
    tmp_project.write("dvc.yaml", FOREIGN)
    with zn.Project() as project:
        calc.Const(name="fetch", value=1)
    with pytest.raises(BuildError, match=r"must differ from the stages .* received 'fetch'"):
        project.build()
    assert (tmp_project.path / "dvc.yaml").read_text() == FOREIGN


def test_a_frozen_stage_stays_frozen(calc, repro, tmp_project: TemporaryProject):
    with repro():
        calc.Const(value=1)
    file = tmp_project.path / "dvc.yaml"
    file.write_text(file.read_text() + "    frozen: true\n")
    with repro():
        x = calc.Const(value=2)
        echo = calc.Echo(value=x.out)
    assert built(tmp_project)["stages"]["Const"]["frozen"] is True
    assert repro.report.stages["Const"].reason == "frozen"
    assert echo.out == 1


def test_params_json(calc, tmp_project: TemporaryProject):
    with zn.Project(params_file="params.json") as project:
        x = calc.Const(value=1)
        calc.Echo(value=x.value)
    report = project.repro(executor=zn.SequentialExecutor())
    assert report.ok
    assert built(tmp_project)["stages"]["Const"]["params"][1] == {"params.json": ["Const"]}
    assert json.loads((tmp_project.path / "params.json").read_text()) == {"Const": {"value": 1}}
    assert not (tmp_project.path / "params.yaml").exists()
    assert zn.from_rev("Const").value == 1
    with pytest.raises(BuildError, match=r"must be 'params\.yaml' or 'params\.json'"):
        zn.Project(params_file="params.toml")


def test_a_cycle_is_printed(calc):
    with zn.Project() as project:
        x = calc.Echo(name="x", value=None)
        y = calc.Echo(name="y", value=x.out)
    x.__dict__["_zn"].inputs["value"] = zn.Ref(y, "out")
    with pytest.raises(CycleError, match="the cycle x -> y -> x"):
        project.build()


def test_fields_are_inherited(modules, repro):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Base(zn.Node):\n"
        "    a: int = zn.params(1)\n"
        "    out: int = zn.outs()\n"
        "    def __post_init__(self):\n        self.extra = 10\n"
        "    def run(self):\n        self.out = self.a + self.extra\n"
        "class Middle(Base):\n"
        "    b: int = zn.params(2)\n"
        "class Last(Middle):\n"
        "    c: int = zn.params()\n"
        "    a: int = zn.params(5)\n"
        "    def run(self):\n"
        "        super().run()\n"
        "        self.out += self.b + self.c\n"
    )
    with repro():
        node = own.Last(c=3)
        other = own.Middle(b=7)
    assert (node.out, other.out) == (20, 11)
    assert (node.a, node.b, node.c) == (5, 2, 3)


def test_a_notebook_class_is_refused(calc, monkeypatch):
    import sys
    from types import ModuleType

    notebook = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    source = "import zn_pipeline as zn\nclass Cell(zn.Node):\n    def run(self): pass\n"
    exec(compile(source, "<cell>", "exec"), notebook.__dict__)
    with zn.Project() as project:
        notebook.Cell()
    with pytest.raises(BuildError, match="Cell must live in a module that workers can import"):
        project.build()


def test_a_class_inside_a_function_is_refused(tmp_project):
    class Local(zn.Node):
        """Local."""

    with zn.Project() as project:
        Local()
    with pytest.raises(BuildError, match="must be defined at the top level of a module"):
        project.build()


def test_the_project_may_lie_below_the_repository(calc, tmp_project: TemporaryProject):
    sub = tmp_project.path / "sub"
    sub.mkdir()
    os.chdir(sub)
    with zn.Project() as project:
        x = calc.Const(value=3)
    report = project.repro(executor=zn.SequentialExecutor())
    assert report.ok
    assert x.out == 3
    assert (sub / "outs" / "Const" / "out.json").exists()
    tmp_project.commit()
    assert zn.from_rev("Const", rev="HEAD").out == 3
