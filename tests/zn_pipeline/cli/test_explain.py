import json

import pytest

from zn_pipeline.errors import NodeNotFoundError


def test_reasons_of_one_node(run_before, runner_cli, tmp_project):
    assert runner_cli("explain", "g/y") == "g_y is up to date\n"
    (tmp_project.path / "params.yaml").write_text("g_x:\n  value: 5\n")
    assert runner_cli("explain", "g/x").splitlines() == [
        "g_x is stale", "  param g_x.value: 1 -> 5"
    ]  # fmt: skip
    assert runner_cli("explain", "g_y").splitlines() == [
        "g_y is waiting",
        "  waits for g_x",
        "  above it, g_x is stale: param g_x.value: 1 -> 5",
    ]
    assert json.loads(runner_cli("explain", "g/x", "--json"))["state"] == "stale"


def test_an_unknown_node(built, runner_cli):
    with pytest.raises(NodeNotFoundError, match="did you mean"):
        runner_cli("explain", "g/xx")
