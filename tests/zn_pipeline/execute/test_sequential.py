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


def test_the_log_can_stay_on_the_terminal(calc, tmp_project, capfd):
    with zn.Project() as project:
        calc.Broken()
    project.repro(executor=zn.SequentialExecutor(log=False), check=False, quiet=True)
    assert "about to fail" in capfd.readouterr().out
    assert not (tmp_project.path / "outs" / "Broken" / "node.log").exists()
    project.repro(executor=zn.SequentialExecutor(), check=False, quiet=True)
    assert capfd.readouterr() == ("", "")
