import json

import pytest

import zn_pipeline as zn
from zn_pipeline.execute.session import Session
from zn_pipeline.store.lockfile import LockFile


def states(session):
    return {s.name: (s.state, s.reasons) for s in session.status()}


def test_refresh_brings_code_up_to_date(calc, repro, modules, tmp_project):
    with repro():
        calc.Echo(value=calc.Const(value=1).out)
    modules.edit(calc, ("self.out = self.value\n\n    @", "self.out = 2 * self.value\n\n    @"))
    stale = Session(tmp_project.path)
    assert {state for state, _ in states(stale).values()} == {"up to date"}
    fresh = Session(tmp_project.path)
    fresh.refresh()
    assert states(fresh) == {
        "Const": ("stale", (f"code of {calc.__name__}:Const changed",)),
        "Echo": ("waiting", ("waits for Const",)),
    }
    fresh.repro((), zn.SequentialExecutor())
    assert zn.from_rev("Echo").out == 2


def test_refresh_sees_the_code_of_specs(modules, repro, tmp_project):
    own = modules.make(
        "import dataclasses\nimport zn_pipeline as zn\n"
        "@dataclasses.dataclass(frozen=True)\n"
        "class Spec:\n"
        "    x: int = 1\n"
        "    def value(self): return self.x\n"
        "class Use(zn.Node):\n"
        "    spec: Spec = zn.deps()\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n        self.out = self.spec.value()\n"
    )
    with repro():
        own.Use(spec=own.Spec())
    modules.edit(own, ("return self.x", "return 10 * self.x"))
    session = Session(tmp_project.path)
    session.refresh()
    assert session.repro((), zn.SequentialExecutor()).done == ["Use"]
    assert zn.from_rev("Use").out == 10


def test_refresh_without_changes_writes_nothing(calc, repro, tmp_project):
    with repro():
        calc.Const(value=1)
    before = (tmp_project.path / "graph.json").stat().st_mtime_ns
    Session(tmp_project.path).refresh()
    assert (tmp_project.path / "graph.json").stat().st_mtime_ns == before


def test_status_of_a_failed_node_that_was_mended(calc, modules, repro, tmp_project):
    with repro(check=False):
        calc.Broken()
    failed = ("failed", ("ValueError: no such luck",))
    assert states(Session(tmp_project.path)) == {"Broken": failed}
    calc = modules.edit(calc, ('raise ValueError("no such luck")', "self.out = 1"))
    with repro():
        calc.Broken()
    assert states(Session(tmp_project.path)) == {"Broken": ("up to date", ())}


def test_status_of_missing_outputs_and_files(calc, repro, tmp_project):
    tmp_project.write("a.txt", "a")
    with repro():
        calc.Read(first="a.txt")
        calc.Const(value=1)
    (tmp_project.path / "a.txt").unlink()
    (tmp_project.path / "outs" / "Const" / "out.json").unlink()
    found = states(Session(tmp_project.path))
    assert found["Const"] == ("stale", ("outputs were changed or missing",))
    assert found["Read"][0] == "stale"
    assert "a.txt must exist" in found["Read"][1][0]


def test_a_removed_node_leaves_the_lock_file(calc, repro, tmp_project):
    with repro():
        calc.Const(name="x", value=1)
        calc.Const(name="z", value=1)
    lock = LockFile(tmp_project.path / "dvc.lock")
    lock.set("foreign", {"cmd": "x"})
    lock.flush()
    with repro():
        calc.Const(name="z", value=1)
    assert LockFile(tmp_project.path / "dvc.lock").names() == {"z", "foreign"}


def test_resources_come_from_the_classes(modules, repro, tmp_project):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Big(zn.Node):\n"
        "    resources = zn.Resources(cpus=4)\n"
        "    def run(self): pass\n"
    )
    with zn.Project() as project:
        own.Big()
    project.build()
    assert Session(tmp_project.path).resources() == {"Big": zn.Resources(cpus=4)}


def test_an_unknown_node_has_no_task(calc, tmp_project):
    with zn.Project() as project:
        calc.Const(value=1)
    project.build()
    session = Session(tmp_project.path)
    with pytest.raises(zn.NodeNotFoundError, match="no node 'Cnst'; did you mean 'Const'"):
        session.task("Cnst")
    graph = json.loads((tmp_project.path / "graph.json").read_text())
    graph["Only"] = graph["Const"]
    (tmp_project.path / "graph.json").write_text(json.dumps(graph))
    with pytest.raises(zn.NodeNotFoundError, match=r"but only graph\.json has it; build again"):
        Session(tmp_project.path).task("Only")
