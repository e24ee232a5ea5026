import subprocess
import sys

import pytest
from typer.testing import CliRunner

from zn_pipeline.cli import app as module
from zn_pipeline.cli.app import app

VERBS = ["init", "build", "repro", "run", "status", "explain", "list", "show", "nodes"]


def test_every_verb_explains_itself():
    text = CliRunner().invoke(app, ["--help"]).stdout
    for verb in VERBS:
        assert verb in text
        assert CliRunner().invoke(app, [verb, "--help"]).exit_code == 0


def test_wrong_usage_has_exit_code_two():
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2
    assert CliRunner().invoke(app, ["run"]).exit_code == 2


@pytest.mark.parametrize("arguments", [["show", "Nothing"], ["run", "Nothing"], ["repro"]])
def test_errors_are_one_message_and_exit_code_one(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["zn-pipeline", *arguments])
    with pytest.raises(SystemExit) as stop:
        module.main()
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "zn_pipeline.cli", "--help"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "Workflows of class-based nodes" in done.stdout
