"""The README keeps its word: its example, its table, its warning."""

import re

import pytest


@pytest.fixture(scope="module")
def readme(root) -> str:
    return (root / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_example_prints_what_stands_below_it(readme, tmp_project, run_script):
    (script,), (output,) = blocks(readme, "python"), blocks(readme, "text")
    tmp_project.write("workflow.py", script)
    assert run_script("workflow.py") == output


def test_the_example_is_short(readme):
    (script,) = blocks(readme, "python")
    assert len([line for line in script.splitlines() if line.strip()]) <= 21


def test_a_script_without_the_guard_is_told_so(readme, tmp_project, run_script):
    (script,) = blocks(readme, "python")
    tmp_project.write("workflow.py", script.replace('__name__ == "__main__"', "True"))
    with pytest.raises(AssertionError, match="put it under if __name__ == '__main__'"):
        run_script("workflow.py")


def test_a_package_of_your_own_called_nodes_is_refused(tmp_project, run_script):
    tmp_project.write("nodes/__init__.py", "")
    tmp_project.write("workflow.py", MINIMAL)
    with pytest.raises(AssertionError, match="must not be a package of your own"):
        run_script("workflow.py")


MINIMAL = """\
import nodes
import zn_pipeline as zn

with zn.Project() as project:
    pass
project.build()
"""


def test_files_of_the_table_exist(root, readme):
    table = readme.partition("## I want to ...")[2].partition("##")[0]
    files = [name for name in re.findall(r"`([^`]+)`", table) if re.search(r"[/.]\w", name)]
    missing = [name for name in files if not (root / name).exists()]
    assert len(files) >= 9
    assert not missing


def test_make_knows_the_two_commands(root, readme):
    (first, *_) = blocks(readme, "bash")
    targets = re.findall(r"^make (\w+)", first, re.MULTILINE)
    assert targets == ["demo", "test"]
    makefile = (root / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_extras_are_those_of_the_package(root, readme):
    declared = re.findall(r"^(\w+) = \[", (root / "pyproject.toml").read_text(), re.MULTILINE)
    named = re.findall(r"^\| `(\w+)` \|", readme.partition("## Install")[2], re.MULTILINE)
    assert named
    assert set(named) <= set(declared)
