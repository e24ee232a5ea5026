import os
from pathlib import Path

import pytest

import zn_pipeline as zn
from zn_pipeline.execute.session import Session


def test_tasks_run_in_order_one_at_a_time(calc, tmp_project):
    with zn.Project() as project:
        calc.Const(name="a", value=1)
        calc.Broken(name="b")
    project.build()
    session = Session(tmp_project.path)
    executor = zn.SequentialExecutor()
    executor.start(str(tmp_project.path), str(session.repository.tmp))
    assert list(executor.wait(0)) == []
    for name in ("a", "b", "a"):
        executor.submit(session.task(name))
    assert executor.running() == ["a"]
    assert [(r.name, r.ok) for r in executor.wait(0)] == [("a", True)]
    assert executor.running() == ["b"]
    assert [(r.name, r.ok) for r in executor.wait(0)] == [("b", False)]
    executor.stop()
    assert executor.running() == []
    assert list(executor.wait(0)) == []


def test_an_interrupt_ends_the_run(modules, tmp_project):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Stop(zn.Node):\n"
        "    def run(self):\n        raise KeyboardInterrupt\n"
    )
    with zn.Project() as project:
        own.Stop()
        own.Stop()
    with pytest.raises(KeyboardInterrupt):
        project.repro(executor=zn.SequentialExecutor(), quiet=True)
    states = [status.state for status in Session(tmp_project.path).status()]
    assert states == ["failed", "stale"]


def test_the_log_can_stay_on_the_terminal(calc, tmp_project, capfd):
    with zn.Project() as project:
        calc.Broken()
    project.repro(executor=zn.SequentialExecutor(log=False), check=False, quiet=True)
    assert "about to fail" in capfd.readouterr().out
    assert not (tmp_project.path / "outs" / "Broken" / "node.log").exists()
    project.repro(executor=zn.SequentialExecutor(), check=False, quiet=True)
    assert capfd.readouterr() == ("", "")


def test_a_class_keeps_its_identity_while_nothing_is_edited(calc, repro):
    for value in (1, 2):
        with repro():
            through = calc.Through(node=calc.Const(value=value))
        assert isinstance(through.node, calc.Const)


def test_an_edited_function_is_never_run_from_an_old_import(modules, repro):
    """Even where the module of the node is as it was, and so would not be imported again."""
    tools = modules.make("def tool():\n    return 1\n")
    own = modules.make(
        f"import zn_pipeline as zn\nfrom {tools.__name__} import tool\n"
        "class Use(zn.Node):\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n        self.out = tool()\n"
    )
    for module in (tools, own):
        os.utime(module.__file__, (1, 1))
    own = modules.edit(own)
    os.utime(own.__file__, (1, 1))
    with repro():
        own.Use()
    Path(tools.__file__).write_text("def tool():\n    return 100\n")
    with repro():
        use = own.Use()
    assert use.out == 100


def test_an_edited_module_in_a_folder_without_init_is_imported_again(modules, repro):
    tools = modules.make("def tool():\n    return 1\n", "space_of_nodes.tools")
    own = modules.make(
        "import zn_pipeline as zn\nfrom space_of_nodes import tools\n"
        "class Use(zn.Node):\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n        self.out = tools.tool()\n"
    )
    with repro():
        own.Use()
    Path(tools.__file__).write_text("def tool():\n    return 100\n")
    with repro():
        use = own.Use()
    assert use.out == 100
