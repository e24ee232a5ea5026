"""Work trees of one Git repository: the main one, and those that ``git worktree add`` made."""

from __future__ import annotations

import contextlib
from pathlib import Path


def main_tree(root: Path) -> Path:
    """Return the place of a folder in the main work tree; the folder itself if it lies there.

    Also if the main work tree has no DVC folder at that place.
    """
    found = _common_folder(root)
    if found is None:
        return root
    common, inside = found
    main = common.parent / inside
    return main if (main / ".dvc").is_dir() else root


def work_trees(root: Path) -> list[Path]:
    """Return the places of a folder in all work trees that exist, its own first."""
    found = _common_folder(root)
    if found is None:
        return [root]
    common, inside = found
    places = [root, common.parent / inside]
    with contextlib.suppress(OSError):
        for entry in sorted((common / "worktrees").iterdir()):
            with contextlib.suppress(OSError):
                link = Path((entry / "gitdir").read_text(encoding="utf-8").strip())
                places.append((entry / link).resolve().parent / inside)
    return list(dict.fromkeys(place for place in places if place.is_dir()))


def _common_folder(root: Path) -> tuple[Path, Path] | None:
    """Return the Git folder that all work trees share, and where `root` lies in a work tree."""
    for folder in (root, *root.parents):
        link = folder / ".git"
        if link.is_dir():
            return link, root.relative_to(folder)
        if link.is_file():
            try:
                own = folder / link.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
                common = own / (own / "commondir").read_text(encoding="utf-8").strip()
            except OSError:  # a submodule
                return None
            return common.resolve(), root.relative_to(folder)
    return None
