"""Content hashes of files and folders, and the cache that holds content by hash.

The formats are DVC's: md5 of a file; for a folder the md5 of the sorted JSON list of its files,
with the suffix ``.dir``. Objects lie read-only below ``files/md5`` of the cache.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from zn_pipeline.records import FileHash, Json

_BLOCK = 1 << 20
Tree = list[dict[str, str]]


def md5_of_file(path: Path) -> str:
    """Return the md5 of a file's bytes."""
    md5 = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            md5.update(block)
    return md5.hexdigest()


def tree_bytes(tree: Tree) -> bytes:
    """Return the object that stands for a folder."""
    return json.dumps(sorted(tree, key=lambda e: e["relpath"]), sort_keys=True).encode()


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(place, name)


def hash_path(path: Path, state: HashState | None = None) -> tuple[FileHash, Tree | None]:
    """Return the content hash of a file or folder, and the list of files of a folder.

    Raises
    ------
    FileNotFoundError
        If there is nothing at ``path``.
    """
    if not path.is_dir():
        info = path.stat()
        md5 = state.md5(path, info) if state is not None else md5_of_file(path)
        return FileHash(md5, info.st_size, isexec=bool(info.st_mode & stat.S_IXUSR)), None
    tree: Tree = []
    size = 0
    for file in files_below(path):
        info = file.stat()
        size += info.st_size
        md5 = state.md5(file, info) if state is not None else md5_of_file(file)
        tree.append({"md5": md5, "relpath": file.relative_to(path).as_posix()})
    digest = hashlib.md5(tree_bytes(tree), usedforsecurity=False).hexdigest()
    return FileHash(digest + ".dir", size, len(tree)), tree


class HashState:
    """Remembers the md5 of files by time of change, size and inode: nothing is read twice."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, list[Json]] = {}
        self._changed = False
        with contextlib.suppress(FileNotFoundError, ValueError):
            known = json.loads(file.read_text(encoding="utf-8"))
            if isinstance(known, dict):
                self._known = known  # pyright: ignore[reportUnknownMemberType]

    def md5(self, path: Path, info: os.stat_result) -> str:
        """Return the md5 of a file, from memory if it is unchanged."""
        stamp = [info.st_mtime_ns, info.st_size, info.st_ino]
        key = str(path)
        known = self._known.get(key)
        if known is not None and known[:3] == stamp:
            return str(known[3])
        md5 = md5_of_file(path)
        self._known[key] = [*stamp, md5]
        self._changed = True
        return md5

    def note(self, path: Path, md5: str) -> None:
        """Remember the md5 of a file that was hashed elsewhere."""
        info = path.stat()
        self._known[str(path)] = [info.st_mtime_ns, info.st_size, info.st_ino, md5]
        self._changed = True

    def save(self) -> None:
        """Write what is known to disk."""
        if not self._changed:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_name(f".{self._file.name}.{os.getpid()}.part")
        part.write_text(json.dumps(self._known), encoding="utf-8")
        os.replace(part, self._file)
        self._changed = False


class ObjectCache:
    """Content by hash, below ``files/md5`` of a DVC cache."""

    def __init__(self, folder: Path, link_types: Iterable[str] = ("reflink", "copy")) -> None:
        self.folder = folder
        self.link_types = tuple(link_types)
        self._made: set[str] = set()

    def path(self, md5: str) -> Path:
        """Return where the object lies, or would lie."""
        return self.folder / "files" / "md5" / md5[:2] / md5[2:]

    def has(self, content: FileHash) -> bool:
        """Whether the content, for a folder all of its files, is here."""
        if not self._holds(content.md5):
            return False
        if not content.md5.endswith(".dir"):
            return True
        return all(self._holds(entry["md5"]) for entry in self.tree(content.md5))

    def _holds(self, md5: str) -> bool:
        """Whether an object is here; as DVC does, one that can be written to is not trusted."""
        path = self.path(md5)
        try:
            mode = path.stat().st_mode
        except OSError:
            return False
        if mode & 0o222 and stat.S_ISREG(mode) and md5_of_file(path) != md5.removesuffix(".dir"):
            remove(path)
            return False
        return stat.S_ISREG(mode)

    def tree(self, md5: str) -> Tree:
        """Return the list of files of a folder object."""
        tree: Tree = json.loads(self.path(md5).read_bytes())
        return tree

    def add_file(self, source: Path, md5: str) -> None:
        """Copy a file into the cache; in one step, so that no object is ever half written."""
        target = self.path(md5)
        if target.exists():
            return
        part = self._part(target)
        _copy(source, part)
        os.chmod(part, 0o444)
        os.replace(part, target)
        self._relink(source, target)

    def add_bytes(self, data: bytes, md5: str) -> None:
        """Put bytes into the cache."""
        target = self.path(md5)
        if target.exists():
            return
        part = self._part(target)
        part.write_bytes(data)
        os.chmod(part, 0o444)
        os.replace(part, target)

    def add(self, source: Path, content: FileHash, tree: Tree | None) -> None:
        """Put a file or folder into the cache."""
        if tree is None:
            self.add_file(source, content.md5)
            return
        for entry in tree:
            self.add_file(source / entry["relpath"], entry["md5"])
        self.add_bytes(tree_bytes(tree), content.md5)

    def checkout(self, content: FileHash, target: Path) -> None:
        """Put the content at ``target``; what was there before is replaced."""
        remove(target)
        if not content.md5.endswith(".dir"):
            self._link(content.md5, target)
            if content.isexec and "symlink" not in self.link_types:
                os.chmod(target, target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
            return
        target.mkdir(parents=True)
        for entry in self.tree(content.md5):
            self._link(entry["md5"], target / entry["relpath"])

    def _part(self, target: Path) -> Path:
        folder = str(target.parent)
        if folder not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)
        return target.with_name(f".{target.name}.{os.getpid()}.part")

    def _link(self, md5: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        remove(part)
        source = self.path(md5)
        for kind in (*self.link_types, "copy"):
            try:
                _LINKS[kind](source, part)
            except (OSError, KeyError):
                continue
            break
        os.replace(part, target)

    def _relink(self, source: Path, target: Path) -> None:
        """Replace a file that was just copied by a link, if the settings ask for links first."""
        if self.link_types and self.link_types[0] in ("hardlink", "symlink"):
            self._link(target.parent.name + target.name, source)


def remove(path: Path) -> None:
    """Remove a file, link or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    try:
        _reflink(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _plain_copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


_FICLONE = 0x40049409
_no_reflink: set[int] = set()


def _reflink(source: Path, target: Path) -> None:
    device = source.stat().st_dev
    if device in _no_reflink:
        raise OSError(errno.EOPNOTSUPP, "no reflinks here")
    import fcntl

    with source.open("rb") as read, target.open("wb") as write:
        try:
            fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
        except OSError:
            _no_reflink.add(device)
            raise


def _hardlink(source: Path, target: Path) -> None:
    os.link(source, target)


def _symlink(source: Path, target: Path) -> None:
    target.symlink_to(source.resolve())


_LINKS = {
    "reflink": _reflink,
    "hardlink": _hardlink,
    "symlink": _symlink,
    "copy": _plain_copy,
}
