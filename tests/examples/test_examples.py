"""Every example runs in an empty project and prints what its docstring promises."""

import ast
import json
import shutil
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.stem: path for path in sorted((ROOT / "examples").glob("[0-9]*.py"))}
MARKS = {
    "04_train_and_evaluate": pytest.mark.slow,
    "09_molecules_md_select_fit": pytest.mark.extensive,
    "12_train_from_yaml": pytest.mark.extensive,
}
NAMES = [pytest.param(n, marks=MARKS[n]) if n in MARKS else n for n in EXAMPLES]


def promised(path: Path) -> str:
    """Return the text that an example says it prints."""
    documentation = ast.get_docstring(ast.parse(path.read_text())) or ""
    _, found, block = documentation.partition("You should see::\n\n")
    assert found, f"{path.name} must say in its docstring what the reader should see"
    return textwrap.dedent(block).rstrip() + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_an_example_prints_what_it_promises(name, tmp_project, run_script):
    shutil.copy(EXAMPLES[name], tmp_project.path)
    assert run_script(f"{name}.py") == promised(EXAMPLES[name])


def test_a_second_run_runs_nothing(tmp_project, run_script):
    shutil.copy(EXAMPLES["05_loop"], tmp_project.path)
    run_script("05_loop.py")
    logs = {log: log.stat().st_mtime_ns for log in tmp_project.path.glob("outs/**/node.log")}
    assert len(logs) == 8
    assert run_script("05_loop.py") == promised(EXAMPLES["05_loop"])
    assert all(log.stat().st_mtime_ns == before for log, before in logs.items())


def test_a_smaller_limit_adds_steps_to_a_loop(tmp_project, run_script):
    script = EXAMPLES["05_loop"].read_text()
    tmp_project.write("05_loop.py", script)
    run_script("05_loop.py")
    logs = {log: log.stat().st_mtime_ns for log in tmp_project.path.glob("outs/*/*/Improve/*.log")}
    tmp_project.write("05_loop.py", script.replace("zn.Below(1e-10)", "zn.Below(1e-15)"))
    assert "steps: 5, converged: True" in run_script("05_loop.py")
    assert len(logs) == 4
    assert all(log.stat().st_mtime_ns == before for log, before in logs.items())


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short(name):
    assert 30 <= len(EXAMPLES[name].read_text().splitlines()) <= 80


def test_a_loop_is_built_without_running(tmp_project, run_script):
    shutil.copy(EXAMPLES["05_loop"], tmp_project.path)
    assert "built" in run_script("-m", "zn_pipeline.cli", "build", "05_loop.py")
    graph = json.loads((tmp_project.path / "graph.json").read_text())
    assert list(graph) == ["newton_000_Improve", "newton_000_Decide"]
    assert not list(tmp_project.path.glob("outs/**/*.*"))


def test_every_example_is_in_the_list_of_examples(root):
    text = (root / "examples" / "README.md").read_text()
    missing = [path.name for path in EXAMPLES.values() if f"`{path.name}`" not in text]
    assert not missing, "name them in examples/README.md"


def test_dvc_yaml_example_is_what_we_write_today(root, tmp_path, run_script):
    run_script(str(root / "examples" / "write_dvc_yaml_example.py"), str(tmp_path / "today"))
    today, kept = ((tmp_path / "today").read_text(), (root / "dvc.yaml.example").read_text())
    assert kept == today, "run python examples/write_dvc_yaml_example.py"
