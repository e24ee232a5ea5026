"""Git revisions: resolving names to commits, and reading files of a commit without checking out."""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from zn_pipeline.errors import RemoteError

_URL = re.compile(r"(?:[a-z][a-z0-9+.-]*://|[^/\s]+@[^/\s]+:)")


def user_cache() -> Path:
    """Return the folder for clones and downloads of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "zn_pipeline"


def local_path(remote: str) -> Path | None:
    """Return the folder that a remote names, None if it is reached over the network."""
    if remote.startswith("file://"):
        return Path(remote.removeprefix("file://"))
    return None if _URL.match(remote) else Path(remote).expanduser()


class GitRepository:
    """A Git repository on disk: the user's own, another one by path, or our clone of a URL.

    Parameters
    ----------
    folder : folder inside the work tree, or of a bare repository
    url : address that users know it by, for messages and for fetching
    cloned : whether ``folder`` is our own clone, which may be fetched
    """

    def __init__(self, folder: Path, url: str, *, cloned: bool = False) -> None:
        import git

        self.url = url
        self.location = str(folder) if cloned else url
        self.cloned = cloned
        try:
            self._git = git.Repo(folder, search_parent_directories=True)
        except (git.InvalidGitRepositoryError, git.NoSuchPathError):
            raise RemoteError(f"remote must be a Git repository, received {url!r}") from None
        self.work_tree = None if self._git.bare else Path(str(self._git.working_tree_dir))
        inside = folder.resolve()
        self.prefix = ""
        if self.work_tree is not None and inside != self.work_tree.resolve():
            self.prefix = inside.relative_to(self.work_tree.resolve()).as_posix() + "/"

    def commit(self, rev: str) -> str:
        """Return the commit of a branch, tag, commit or DVC experiment.

        Raises
        ------
        RemoteError
            If there is none of that name.
        """
        found = self._resolve(rev)
        if found is None and self.cloned:
            self.fetch()
            found = self._resolve(rev)
        if found is None:
            raise RemoteError(
                f"rev must be a commit, tag, branch or DVC experiment of {self.url}, "
                f"received {rev!r}"
            )
        return found

    def fetch(self) -> None:
        """Bring our clone up to date."""
        import git

        try:
            self._git.git.fetch("--prune", "origin", "+refs/*:refs/*")
        except git.GitCommandError as error:
            raise RemoteError(f"{self.url} must be reachable, received {error.stderr}") from None

    def _resolve(self, rev: str) -> str | None:
        import git
        import gitdb.exc

        failures = (git.BadName, gitdb.exc.BadObject, ValueError, IndexError)
        for name in (rev, f"origin/{rev}"):
            try:
                return str(self._git.commit(name).hexsha)
            except failures:
                continue
        listed: str = self._git.git.for_each_ref("refs/exps", format="%(objectname) %(refname)")
        for line in listed.splitlines():
            sha, _, ref = line.partition(" ")
            if ref.rpartition("/")[2] == rev and ref.count("/") >= 4:
                return sha
        return None

    def read(self, commit: str, path: str) -> bytes | None:
        """Return the content of a file in a commit, None if it is not there."""
        tree: Any = self._git.commit(commit).tree
        try:
            blob = tree / (self.prefix + path)
        except KeyError:
            return None
        return bytes(blob.data_stream.read()) if blob.type == "blob" else None


@lru_cache(maxsize=64)
def open_git(remote: str) -> GitRepository:
    """Return the repository at a path or URL; a URL is cloned once and fetched when need be.

    Raises
    ------
    RemoteError
        If it cannot be read.
    """
    import git

    folder = local_path(remote)
    if folder is not None:
        return GitRepository(folder, remote)
    name = hashlib.sha256(remote.encode()).hexdigest()[:16]
    clone = user_cache() / "clones" / name
    if not (clone / "HEAD").exists():
        clone.parent.mkdir(parents=True, exist_ok=True)
        part = clone.with_name(f".{name}.{os.getpid()}.part")
        try:
            git.Repo.clone_from(remote, part, mirror=True)
        except git.GitCommandError as error:
            raise RemoteError(
                f"remote must be a path or URL of a Git repository, received {remote!r}: "
                f"{error.stderr.strip()}"
            ) from None
        os.replace(part, clone)
        return GitRepository(clone, remote, cloned=True)
    repository = GitRepository(clone, remote, cloned=True)
    repository.fetch()
    return repository
