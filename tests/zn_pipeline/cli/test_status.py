import json

from zn_pipeline.testing import TemporaryProject


def test_status_before_and_after_a_run(built, runner_cli):
    assert runner_cli("status").splitlines() == [
        "stale      g_x  never run",
        "waiting    g_y  waits for g_x",
        "0 of 2 nodes are up to date",
    ]


def test_status_after_a_run_and_an_edit(run_before, runner_cli, tmp_project: TemporaryProject):
    assert runner_cli("status") == "2 of 2 nodes are up to date\n"
    (tmp_project.path / "params.yaml").write_text("g_x:\n  value: 5\n")
    found = json.loads(runner_cli("status", "--json"))
    assert found["g_x"] == {"name": "g_x", "state": "stale", "reasons": ["param g_x.value: 1 -> 5"]}
    assert list(json.loads(runner_cli("status", "--json", "g/x"))) == ["g_x"]


def test_status_sees_edited_code(run_before, runner_cli, calc, modules):
    modules.edit(calc, ("self.out = self.value\n\n    @", "self.out = -self.value\n\n    @"))
    assert f"code of {calc.__name__}:Const changed" in runner_cli("status")
