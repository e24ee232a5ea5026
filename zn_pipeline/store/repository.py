"""Where a project lies: its root, its DVC folder, its cache."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from functools import cached_property
from pathlib import Path

from zn_pipeline.errors import PipelineError
from zn_pipeline.naming import DVC_FILE

IGNORE_LINE = "/outs/"


@dataclasses.dataclass(frozen=True)
class Repository:
    """A project folder (with ``dvc.yaml``) inside a DVC repository.

    Attributes
    ----------
    root : folder of ``dvc.yaml``; nodes run with it as working directory
    dvc_root : folder that holds ``.dvc``; the same as ``root`` or above it
    """

    root: Path
    dvc_root: Path

    @classmethod
    def find(cls, start: Path | str = ".") -> Repository:
        """Return the repository of a folder.

        Raises
        ------
        PipelineError
            If neither it nor a folder above holds ``.dvc``.
        """
        root = Path(start).resolve()
        for folder in (root, *root.parents):
            if (folder / ".dvc").is_dir():
                return cls(root, folder)
        raise PipelineError(
            f"the project must lie in a DVC repository, received {root}; "
            "run 'zn-pipeline init' in it once"
        )

    def check_root(self) -> None:
        """Make sure that ``dvc.yaml`` does not lie in a folder above.

        Raises
        ------
        PipelineError
            If it does; the message names the folder.
        """
        inside = (self.root, *self.root.parents)
        for folder in inside[: inside.index(self.dvc_root) + 1]:
            if (folder / DVC_FILE).is_file():
                if folder != self.root:
                    raise PipelineError(
                        f"the working directory must hold {DVC_FILE}, received {self.root}; "
                        f"go to {folder}, the project's folder"
                    )
                return

    @property
    def tmp(self) -> Path:
        """Folder for files of running and killed runs; ignored by Git."""
        return self.dvc_root / ".dvc" / "tmp" / "zn_pipeline"

    @property
    def results(self) -> Path:
        """Folder in which workers leave the record of a finished node until it is committed."""
        return self.tmp / "results"

    def scratch(self, key: str) -> Path:
        """Return the folder that a node keeps between attempts with the same key."""
        return self.tmp / "scratch" / key

    @cached_property
    def _config(self) -> dict[str, object]:
        from dvc.config import Config

        config = Config(dvc_dir=str(self.dvc_root / ".dvc"), validate=False)
        cache = config.get("cache", {})
        core = config.get("core", {})
        return {
            "dir": cache.get("dir"),
            "type": cache.get("type"),
            "hardlink_lock": bool(core.get("hardlink_lock")),
        }

    @cached_property
    def cache(self) -> Path:
        """Folder of the DVC cache."""
        settings = self._cheap_settings()
        if settings is None:
            return self.dvc_root / ".dvc" / "cache"
        directory = self._config["dir"]
        if directory is None:
            return self.dvc_root / ".dvc" / "cache"
        return Path(os.path.normpath(str(directory)))

    @cached_property
    def link_types(self) -> tuple[str, ...]:
        """How outputs are linked to the cache, best first, as in DVC's ``cache.type``."""
        if self._cheap_settings() is None or not self._config["type"]:
            return ("reflink", "copy")
        kinds = self._config["type"]
        names = kinds if isinstance(kinds, list) else str(kinds).split(",")
        return tuple(str(name).strip() for name in names)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]

    @property
    def hardlink_lock(self) -> bool:
        """Whether DVC is told to lock by hard links."""
        return self._cheap_settings() is not None and bool(self._config["hardlink_lock"])

    def _cheap_settings(self) -> str | None:
        """Return the texts of all DVC settings, or None if they name neither cache nor lock."""
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        places = [self.dvc_root / ".dvc" / "config", self.dvc_root / ".dvc" / "config.local"]
        places += [home / "dvc" / "config", Path("/etc/xdg/dvc/config")]
        texts = [place.read_text(encoding="utf-8") for place in places if place.is_file()]
        text = "\n".join(texts)
        return text if "cache" in text or "hardlink_lock" in text else None

    def ignore_outputs(self) -> None:
        """Add the one line to the root ``.gitignore`` that covers all outputs."""
        file = self.root / ".gitignore"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        lines = {line.strip().rstrip("/") for line in text.splitlines()}
        if lines.isdisjoint({"/outs", "outs", "/outs/*", "outs/*"}):
            lead = "" if not text or text.endswith("\n") else "\n"
            file.write_text(f"{text}{lead}{IGNORE_LINE}\n", encoding="utf-8")


def git_tracked(root: Path, paths: list[str]) -> list[str]:
    """Return those files at or below ``paths`` that Git tracks; none outside a Git repository."""
    if not paths:
        return []
    done = subprocess.run(
        ["git", "ls-files", "-z", "--", *paths],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return [path for path in done.stdout.split("\0") if path] if done.returncode == 0 else []


def write_atomic(path: Path, text: str) -> bool:
    """Write a text file in one step if it differs; return whether it did."""
    data = text.encode("utf-8")
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    os.replace(part, path)
    return True
