"""A throw-away project in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

_DVC_IGNORED = "/config.local\n/tmp\n/cache\n"


class TemporaryProject:
    """A Git and DVC repository, made without starting DVC, as working directory.

    Parameters
    ----------
    folder : an empty folder

    Notes
    -----
    ``close`` goes back to the folder from before and forgets modules that were imported from here.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder.resolve()
        self._before = Path.cwd()
        self._sys_path = list(sys.path)
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("config", "user.name", "test")
        self.git("config", "user.email", "test@example.org")
        (self.path / ".dvc").mkdir()
        (self.path / ".dvc" / ".gitignore").write_text(_DVC_IGNORED, encoding="utf-8")
        config = "[core]\n    analytics = false\n    check_update = false\n"
        (self.path / ".dvc" / "config").write_text(config, encoding="utf-8")
        (self.path / ".dvcignore").write_text("", encoding="utf-8")
        (self.path / ".gitignore").write_text("/outs/\n__pycache__/\n", encoding="utf-8")
        self.commit("start")
        os.chdir(self.path)

    def git(self, *arguments: str) -> str:
        """Run a Git command and return what it prints."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"git {' '.join(arguments)} must succeed: {done.stderr}")
        return done.stdout

    def commit(self, message: str = "state") -> str:
        """Commit all files and return the commit's hash."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def write(self, name: str, text: str) -> Path:
        """Write a text file below the project."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def forget_modules(self) -> None:
        """Forget modules imported from this project, so that edited ones are read again."""
        places = {name: _place(module) for name, module in list(sys.modules.items())}
        for name, place in places.items():
            if place is not None and Path(place).is_relative_to(self.path):
                del sys.modules[name]

    def close(self) -> None:
        """Leave the project."""
        os.chdir(self._before)
        self.forget_modules()
        sys.path[:] = self._sys_path


def _place(module: object) -> str | None:
    """Return the file of a module, or the folder of a package without ``__init__.py``."""
    file: str | None = getattr(module, "__file__", None)
    if file is not None:
        return file
    with contextlib.suppress(KeyError):  # the package above it was forgotten
        return next(iter(getattr(module, "__path__", ())), None)
    return None
