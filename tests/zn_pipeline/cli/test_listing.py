import json


def test_the_tree_of_nodes(built, calc, runner_cli, tmp_project):
    lines = runner_cli("list").splitlines()
    assert lines[0] == f"the workspace {tmp_project.path}"
    assert [line.split()[-1] for line in lines[1:]] == [
        "g", f"({calc.__name__}:Const)", f"({calc.__name__}:Echo)"
    ]  # fmt: skip


def test_json_and_other_revisions(built, calc, runner_cli, tmp_project):
    tmp_project.commit("one")
    (tmp_project.path / "graph.json").write_text("{}")
    assert json.loads(runner_cli("list", "--json")) == {}
    found = json.loads(runner_cli("list", str(tmp_project.path), "--rev", "HEAD", "--json"))
    assert found["g_x"] == {
        "class": f"{calc.__name__}:Const", "groups": ["g"], "outs": {"out": "out.json"}
    }  # fmt: skip
