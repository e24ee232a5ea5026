import json

import pytest

from zn_pipeline.cli.repro import report_json
from zn_pipeline.errors import NodeNotFoundError
from zn_pipeline.records import RunReport, StageReport, Status


def test_a_run_and_its_exit_code(built, calc, runner_cli, tmp_project):
    report = json.loads(runner_cli("repro", "--json", "-j", "1"))
    assert report["ok"]
    assert {name: s["status"] for name, s in report["stages"].items()} == {
        "g_x": "done", "g_y": "done"
    }  # fmt: skip
    assert runner_cli("repro").startswith("2 unchanged in")
    assert runner_cli("repro", "--quiet", "g/x") == ""


def test_a_failure_has_exit_code_one(calc, runner_cli, tmp_project):
    import zn_pipeline as zn

    with zn.Project() as project:
        calc.Read(first="missing.txt")
    project.build()
    assert "1 failed" in runner_cli("repro", code=1)
    report = json.loads(runner_cli("repro", "--json", code=1))
    assert not report["ok"]
    assert "missing.txt must exist" in report["stages"]["Read"]["error"]


def test_an_unknown_target(built, runner_cli):
    with pytest.raises(NodeNotFoundError, match="received 'g_z'"):
        runner_cli("repro", "g/z")


def test_reports_as_json():
    report = RunReport({"A": StageReport("A", Status.RESTORED, "why", seconds=0.5)}, 1.5)
    assert json.loads(report_json(report)) == {
        "ok": True,
        "seconds": 1.5,
        "stages": {
            "A": {"name": "A", "status": "restored", "reason": "why", "error": "", "seconds": 0.5}
        },
    }
