"""``zn-pipeline init``: make a folder ready."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

from zn_pipeline.store.repository import Repository, write_atomic

_EXAMPLE = '''\
"""A first project: run it by ``python workflow.py``."""

import zn_pipeline as zn


class Const(zn.Node):
    """Hold a number."""

    value: float = zn.params()
    out: float = zn.outs()

    def run(self) -> None:
        self.out = self.value


class Add(zn.Node):
    """Add two numbers."""

    a: float = zn.params()
    b: float = zn.deps()
    out: float = zn.outs()

    def run(self) -> None:
        self.out = self.a + self.b


if __name__ == "__main__":
    with zn.Project() as project:
        x = Const(value=1.0)
        y = Add(a=2.0, b=x.out)
    project.repro()
    print("result:", y.out)
'''


def init(
    folder: Path = typer.Argument(Path(), help="Folder of the project."),
    example: bool = typer.Option(False, "--example", help="Write a first workflow.py."),
) -> None:
    """Make a folder ready: Git, DVC, and the one line of .gitignore that covers all outputs."""
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    if not any((place / ".git").exists() for place in (folder, *folder.parents)):
        _call(["git", "init", "--quiet"], folder)
    if not any((place / ".dvc").is_dir() for place in (folder, *folder.parents)):
        inside = (folder / ".git").exists()
        place = [] if inside else ["--subdir"]
        _call([sys.executable, "-m", "dvc", "init", "--quiet", *place], folder)
        _call([sys.executable, "-m", "dvc", "config", "core.analytics", "false"], folder)
        _call([sys.executable, "-m", "dvc", "config", "core.check_update", "false"], folder)
    Repository.find(folder).ignore_outputs()
    if example and not (folder / "workflow.py").exists():
        write_atomic(folder / "workflow.py", _EXAMPLE)
    print(f"ready: {folder}")


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr or done.stdout, file=sys.stderr)
        raise typer.Exit(1)
