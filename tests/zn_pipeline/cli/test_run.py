import pytest

import zn_pipeline as zn


def test_one_node_runs_without_dvc(built, runner_cli, tmp_project):
    assert runner_cli("run", "g_x") == ""
    assert (tmp_project.path / "outs/g/x/out.json").read_text() == "1.0\n"
    assert not (tmp_project.path / "dvc.lock").exists()
    assert not list((tmp_project.path / ".dvc" / "tmp" / "zn_pipeline" / "results").glob("*"))
    runner_cli("run", "g/y")
    assert zn.from_rev("g/y").out == 1


def test_a_failure_has_exit_code_one(calc, runner_cli, tmp_project):
    with zn.Project() as project:
        calc.Broken()
    project.build()
    assert "about to fail" in runner_cli("run", "Broken", code=1)


def test_unknown_nodes_and_missing_files(built, runner_cli, tmp_project):
    with pytest.raises(zn.NodeNotFoundError, match="has no node 'g_z'"):
        runner_cli("run", "g_z")
    (tmp_project.path / "dvc.yaml").unlink()
    with pytest.raises(zn.NodeNotFoundError, match=r"only graph\.json has it"):
        runner_cli("run", "g_x")
