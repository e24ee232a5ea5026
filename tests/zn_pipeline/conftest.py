"""Projects with small nodes of arithmetic: what almost every test of the framework starts from."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zn_pipeline as zn
from zn_pipeline.testing import TemporaryProject

ARITHMETIC = '''\
"""Nodes of arithmetic."""

from pathlib import Path
from typing import Any

import zn_pipeline as zn


class Const(zn.Node):
    """Hold a number."""

    value: float = zn.params()
    out: float = zn.outs()

    def run(self) -> None:
        self.out = self.value

    @property
    def plus(self) -> float:
        return self.out + 1

    @property
    def minus(self) -> float:
        return self.out - 1

    def power(self, exponent: int) -> float:
        return self.out**exponent


class Sub(zn.Node):
    """Take one number from another."""

    a: float = zn.deps()
    b: float = zn.deps()
    out: float = zn.outs()

    def run(self) -> None:
        self.out = self.a - self.b


class Total(zn.Node):
    """Add many numbers."""

    numbers: list[float] = zn.deps()
    out: float = zn.outs()

    def run(self) -> None:
        self.out = sum(self.numbers)


class Echo(zn.Node):
    """Hand on whatever comes in."""

    value: Any = zn.deps()
    out: Any = zn.outs()

    def run(self) -> None:
        self.out = self.value


class Sign(zn.Node):
    """Say whether a number is positive."""

    number: float = zn.deps()
    out: bool = zn.outs()

    def run(self) -> None:
        self.out = self.number > 0


class Through(zn.Node):
    """Read params and outputs of another node through the node itself."""

    node: Const = zn.deps()
    out: float = zn.outs()

    def run(self) -> None:
        self.out = 1000 * self.node.value + self.node.out


class Sequence(zn.Node):
    """Make a list and a dict."""

    length: int = zn.params(4)
    numbers: list[int] = zn.outs()
    named: dict[str, int] = zn.outs()

    def run(self) -> None:
        self.numbers = list(range(self.length))
        self.named = {"first": 0, "last": self.length - 1}


class Write(zn.Node):
    """Write a file."""

    text: str = zn.params()
    file: Path = zn.outs_path(zn.nwd / "text.txt")

    def run(self) -> None:
        self.file.write_text(self.text)


class Read(zn.Node):
    """Join the contents of two files."""

    first: Path = zn.deps_path()
    second: Path = zn.deps_path(None)
    out: str = zn.outs()

    def run(self) -> None:
        files = [self.first] if self.second is None else [self.first, self.second]
        self.out = "|".join(file.read_text() for file in files)


class Broken(zn.Node):
    """Fail."""

    number: float = zn.deps(None)
    out: float = zn.outs()

    def run(self) -> None:
        print("about to fail")
        raise ValueError("no such luck")
'''

_numbers = itertools.count()


class Modules:
    """Writes modules of nodes into a project and imports them."""

    def __init__(self, project: TemporaryProject) -> None:
        self.project = project

    def make(self, source: str, name: str | None = None) -> ModuleType:
        """Write and import a module; without a name it gets one that no other test has."""
        name = name or f"made_{next(_numbers)}"
        self.project.write(f"{name.replace('.', '/')}.py", source)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def edit(self, module: ModuleType, *changes: tuple[str, str]) -> ModuleType:
        """Replace texts in a module and import it again."""
        file = Path(str(module.__file__))
        text = file.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        file.write_text(text)
        self.project.forget_modules()
        importlib.invalidate_caches()
        return importlib.import_module(module.__name__)


@pytest.fixture
def modules(tmp_project: TemporaryProject, monkeypatch: pytest.MonkeyPatch) -> Modules:
    """Return the maker of modules of this test's project."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.syspath_prepend(str(tmp_project.path))
    return Modules(tmp_project)


@pytest.fixture
def calc(modules: Modules) -> ModuleType:
    """Return a module with nodes of arithmetic, of this test alone."""
    return modules.make(ARITHMETIC)


class Runner:
    """Collects nodes into projects and runs them."""

    def __init__(self) -> None:
        self.report = zn.RunReport({})

    @contextmanager
    def __call__(self, executor: Any = None, **options: Any) -> Iterator[zn.Project]:
        """Open a project; when the block ends it runs, one node after the other."""
        project = zn.Project()
        with project:
            yield project
        chosen = zn.SequentialExecutor() if executor is None else executor
        self.report = project.repro(executor=chosen, quiet=True, **options)

    @property
    def done(self) -> set[str]:
        """Names of the nodes that the last run ran."""
        return set(self.report.done)


@pytest.fixture
def repro(tmp_project: TemporaryProject) -> Runner:
    """Return what runs the nodes made in its with block."""
    return Runner()


@pytest.fixture
def runner_cli(tmp_project: TemporaryProject) -> Any:
    """Return a function that calls the command line here and gives back what it printed."""
    from typer.testing import CliRunner

    from zn_pipeline.cli.app import app

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return str(result.stdout)

    return call
