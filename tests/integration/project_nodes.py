"""Nodes of the projects in these tests; copied into each project as ``my_nodes.py``."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pandas as pd

import zn_pipeline as zn


def note(name: str | None) -> None:
    """Append a line to the log of executions, which lies outside of the project."""
    log = os.environ.get("RUN_LOG")
    if log:
        with Path(log).open("a") as file:
            file.write(f"{name}\n")


class Const(zn.Node):
    value: float = zn.params(1.0)
    out: float = zn.outs()

    def run(self) -> None:
        note(self.name)
        self.out = self.value


class Scale(zn.Node):
    factor: float = zn.params(2.0)
    x: float = zn.deps()
    out: float = zn.outs()
    score: dict[str, float] = zn.metrics()
    curve: pd.DataFrame = zn.plots(x="step", y="value")

    def run(self) -> None:
        note(self.name)
        self.out = self.factor * self.x
        self.score = {"result": self.out}
        self.curve = pd.DataFrame({"step": [0, 1, 2], "value": [0.0, self.x, self.out]})


class Files(zn.Node):
    """Write a folder with files in folders, one of them empty, and an executable."""

    n_files: int = zn.params(3)
    folder: Path = zn.outs_path(zn.nwd / "files")

    def run(self) -> None:
        note(self.name)
        for count in range(self.n_files):
            file = self.folder / f"part-{count}" / "data.txt"
            file.parent.mkdir(parents=True)
            file.write_text(f"content {count}\n")
        (self.folder / "empty.txt").touch()


class ReadFolder(zn.Node):
    folder: Path = zn.deps_path()
    n_files: int = zn.outs()

    def run(self) -> None:
        note(self.name)
        self.n_files = sum(1 for path in self.folder.rglob("*") if path.is_file())


class ReadFile(zn.Node):
    file: Path = zn.deps_path()
    text: str = zn.outs()

    def run(self) -> None:
        note(self.name)
        self.text = self.file.read_text()


class WriteFile(zn.Node):
    text: str = zn.params()
    file: str = zn.outs_path("made/by_node.txt")

    def run(self) -> None:
        note(self.name)
        Path(self.file).write_text(self.text)


class InGit(zn.Node):
    """Leave the outputs to Git."""

    value: int = zn.params(1)
    out: int = zn.outs(cache=False)
    score: dict[str, int] = zn.metrics(cache=False)

    def run(self) -> None:
        note(self.name)
        self.out = self.value
        self.score = {"value": self.value}


class Sleep(zn.Node):
    """Say that it runs, and wait until it may end (or for a minute)."""

    x: float = zn.deps(0.0)
    out: float = zn.outs()

    def run(self) -> None:
        note(self.name)
        go = Path(os.environ["GO_ON"])
        for _ in range(1200):
            if go.exists():
                break
            time.sleep(0.05)
        self.out = self.x
