import subprocess
import sys


def test_a_folder_is_made_ready_once(tmp_path_factory, runner_cli):
    folder = tmp_path_factory.mktemp("empty") / "new"
    for _ in range(2):
        assert runner_cli("init", str(folder), "--example") == f"ready: {folder}\n"
    assert (folder / ".git").is_dir()
    assert (folder / ".dvc" / "config").exists()
    assert (folder / ".gitignore").read_text() == "/outs/\n"
    done = subprocess.run(
        [sys.executable, "workflow.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stdout == "result: 3.0\n", done.stderr


def test_a_folder_inside_a_repository_stays_inside(tmp_project, runner_cli):
    runner_cli("init", "sub")
    assert not (tmp_project.path / "sub" / ".git").exists()
    assert not (tmp_project.path / "sub" / ".dvc").exists()
    assert (tmp_project.path / "sub" / ".gitignore").read_text() == "/outs/\n"
