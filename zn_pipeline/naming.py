"""Names of stages, groups and work dirs: the only place that joins or checks them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from zn_pipeline.errors import BuildError, NameCollisionError

WORK_ROOT = "outs"
GRAPH_FILE = "graph.json"
DVC_FILE = "dvc.yaml"
LOCK_FILE = "dvc.lock"
PARAMS_FILE = "params.yaml"
POOLS_FILE = "pools.toml"
"""At the root of a project: where work runs."""

FAILED_ITEMS_FILE = "failures.jsonl"
"""In a work dir: the items of the node's maps that failed, and why, one JSON object a line."""

LOG_FILE = "node.log"

_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")


def check_name(name: str, what: str) -> str:
    """Return ``name`` if it may be part of a stage name, else raise BuildError."""
    if not isinstance(name, str) or not _VALID.match(name):
        raise BuildError(
            f"{what} must consist of letters, digits, '_' and '-' and start with a letter or "
            f"digit, received {name!r}"
        )
    return name


def stage_name(groups: Iterable[str], name: str) -> str:
    """Return the DVC stage name: groups and node name joined by ``_``."""
    return "_".join((*groups, name))


def work_dir(groups: Iterable[str], name: str) -> str:
    """Return the node work dir from the project's root, with forward slashes."""
    return "/".join((WORK_ROOT, *groups, name))


def display_name(groups: Iterable[str], name: str) -> str:
    """Return the name that people read and type: ``group/sub/Name``."""
    return "/".join((*groups, name))


def normalise(name: str) -> str:
    """Return the stage name for either spelling, ``g/Add`` or ``g_Add``."""
    return name.strip("/").replace("/", "_")


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or an empty text."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


class NameRegistry:
    """Stage names of one project; automatic names never take or lose a name."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._counters: dict[tuple[str, ...], int] = {}

    def __contains__(self, stage: str) -> bool:
        return stage in self._owners

    def automatic(self, groups: tuple[str, ...], class_name: str) -> str:
        """Return ``Class``, or the first free ``Class_1``, ``Class_2``, ... of the group."""
        key = (*groups, class_name)
        count = self._counters.get(key, 0)
        while True:
            name = class_name if count == 0 else f"{class_name}_{count}"
            count += 1
            if stage_name(groups, name) not in self._owners:
                self._counters[key] = count
                return name

    def claim(self, groups: tuple[str, ...], name: str) -> str:
        """Register a node and return its stage name.

        Raises
        ------
        NameCollisionError
            If another node, or another way to group, already has this stage name.
        """
        stage = stage_name(groups, name)
        shown = display_name(groups, name)
        owner = self._owners.get(stage)
        if owner is not None:
            raise NameCollisionError(
                f"Node names must be unique, received {shown!r}, which has the same stage name "
                f"{stage!r} as {owner!r}; pass another name=... or use another group"
            )
        self._owners[stage] = shown
        return stage
