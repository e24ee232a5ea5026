"""Texts speak of the project alone, and a skipped test is skipped for a reason."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

# Written so that this file does not hold the very texts that it looks for.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.~])/(?:wor[k]|roo[t]|far[m])/\w",
    "the host of a registry": (
        r"pyp[i]\.org|pythonhoste[d]\.org|deb\.debia[n]\.org|npmj[s]\.org|conda\.anacond[a]\.org"
    ),
    "unfinished work": r"\b(?:TOD[O]|FIXM[E]|XX[X])\b",
    "a merge that was not resolved": r"^(?:<{7}|>{7}) ",
}


def offences(text: str) -> list[str]:
    return [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text, re.MULTILINE)]


def read_text(path: Path) -> str:
    """Return the text of a file, or nothing for a binary file."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_forbidden_text(root: Path, repository_files: list[Path]):
    found = {
        str(path): problems
        for path in repository_files
        if (problems := offences(read_text(root / path)))
    }
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "see /roo" + "t/data",
        "# TOD" + "O: later",
        "https://pyp" + "i.org/simple",
        "<<<<<<" + "< HEAD",
    ],
)
def test_a_forbidden_text_is_seen(text: str):
    assert offences(text)


@pytest.mark.parametrize("text", ["examples/work/a", "~/root", "the work/rest ratio", "a.root/b"])
def test_an_innocent_text_passes(text: str):
    assert not offences(text)


def test_constraints_hold_names_and_versions_only(root: Path):
    lines = (root / "constraints.txt").read_text().splitlines()
    odd = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9][\w.-]*==[\w.!+-]+", line)]
    assert not odd, "a line of constraints.txt must read name==version"
    assert lines == sorted(lines, key=str.lower)


def skipped_imports(path: Path) -> set[str]:
    """Return the modules that a test file gives to `pytest.importorskip`."""
    return {
        call.args[0].value.partition(".")[0]
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).endswith("importorskip")
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_only_what_the_environment_lacks_is_skipped(root: Path, python_files: list[Path]):
    """With `[dev]` installed, skipping one of its packages would hide a broken installation."""
    installed = {
        normalised(line.partition("==")[0])
        for line in (root / "constraints.txt").read_text().splitlines()
    }
    providers = packages_distributions()
    needless = {
        str(path): module
        for path in python_files
        if path.parts[0] == "tests"
        for module in skipped_imports(root / path)
        if installed.intersection(map(normalised, providers.get(module, [])))
    }
    assert not needless, "import these plainly"


def test_imports_point_in_the_allowed_directions(root: Path):
    """The contracts of import-linter; they stand in pyproject.toml."""
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-cache"], cwd=root, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
