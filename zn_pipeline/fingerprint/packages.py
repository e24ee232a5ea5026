"""Installed distributions: which of them provides a module, and in which version."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata

_UNCOUNTED = frozenset({"numpy", "zn_pipeline", "zn-pipeline"})


@lru_cache(maxsize=1024)
def version_of(name: str) -> tuple[str, str] | None:
    """Return distribution and version for the name of a module or a distribution.

    None if it is part of Python, not installed, or one whose version does not count: numpy, whose
    releases change no result beyond rounding, and the framework itself.
    """
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.builtin_module_names or top in _UNCOUNTED:
        return None
    for candidate in (name, top):
        try:
            return candidate, metadata.version(candidate)
        except (metadata.PackageNotFoundError, ValueError):
            continue
    providers = _providers().get(top, [])
    return (providers[0], metadata.version(providers[0])) if providers else None


@lru_cache(maxsize=1)
def _providers() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
