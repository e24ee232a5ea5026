import json


def test_values_of_a_node(run_before, calc, runner_cli):
    assert [line.split() for line in runner_cli("show", "g/x").splitlines()] == [
        ["g/x", f"{calc.__name__}:Const"],
        ["params", "value", "=", "1.0"],
        ["outs", "out", "=", "1.0"],
    ]
    fields = json.loads(runner_cli("show", "g_y", "--json"))["fields"]
    assert json.loads(fields["value"]) == {"node": "g_x", "get": ["out"]}


def test_what_was_not_run_is_said(built, runner_cli, tmp_project):
    assert "out = <NotRunError>" in runner_cli("show", "g/x")
    tmp_project.commit()
    assert "out = <NotRunError>" in runner_cli("show", "g/x", "--rev", "HEAD")


def test_long_values_are_cut(calc, tmp_project, runner_cli):
    import zn_pipeline as zn

    with zn.Project() as project:
        calc.Write(text="x" * 1000)
    project.build()
    assert all(len(line) < 140 for line in runner_cli("show", "Write").splitlines())
