"""A file is read in one sitting, a function on one screen."""

import ast
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


def body_lines(function: Function) -> int:
    """Count the lines of a function from its `def` to its end, without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


def test_files_are_short(root: Path, python_files: list[Path]):
    lengths = {path: len((root / path).read_text().splitlines()) for path in python_files}
    too_long = {str(path): lines for path, lines in lengths.items() if lines > MAX_FILE_LINES}
    assert not too_long, f"a file must have at most {MAX_FILE_LINES} lines; split by idea"


def test_functions_are_short(root: Path, python_files: list[Path]):
    too_long = {
        f"{path}:{function.lineno} {function.name}": body_lines(function)
        for path in python_files
        for function in functions(root / path)
        if body_lines(function) > MAX_FUNCTION_LINES
    }
    assert not too_long, f"a function must have at most {MAX_FUNCTION_LINES} lines; name its parts"


def test_the_docstring_does_not_count():
    source = 'def f():\n    """One.\n\n    Two.\n    """\n    return 1\n'
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert body_lines(function) == 2


def test_no_drawer_for_odds_and_ends(python_files: list[Path]):
    drawers = {"common", "helper", "helpers", "misc", "tools", "util", "utils"}
    found = [str(path) for path in python_files if drawers & {path.stem, *path.parts[:-1]}]
    assert not found, "a module must be named after the one thing that it does"
