import subprocess
import sys

import pytest
from typer.testing import CliRunner

from zn_pipeline.cli import app as module
from zn_pipeline.cli.app import app
from zn_pipeline.errors import PipelineError

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


@pytest.mark.parametrize("file", ["dvc.yaml", "dvc.lock", "graph.json"])
def test_a_broken_file_is_named(run_before, runner_cli, tmp_project, file):
    tmp_project.write(file, "stages: [")
    with pytest.raises(PipelineError, match=f"{file} must be readable, but is not: "):
        runner_cli("status")


def test_a_broken_params_file_is_a_reason(run_before, runner_cli, tmp_project):
    tmp_project.write("params.yaml", "g_x: [")
    assert "stale      g_x  params.yaml must be readable" in runner_cli("status")


@pytest.mark.parametrize("verb", ["status", "repro"])
def test_a_folder_inside_of_the_project_is_refused(
    built, runner_cli, tmp_project, verb, monkeypatch
):
    (tmp_project.path / "data").mkdir()
    monkeypatch.chdir("data")
    with pytest.raises(PipelineError, match=f"must hold dvc.yaml, .* go to {tmp_project.path}"):
        runner_cli(verb)
    with pytest.raises(PipelineError, match=r"has no node 'g_x'; it holds no graph\.json"):
        runner_cli("show", "g/x")


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "zn_pipeline.cli", "--help"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "Workflows of class-based nodes" in done.stdout
