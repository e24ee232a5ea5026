"""Whether items that failed by their own fault are tried again."""

from __future__ import annotations

import os

RETRY = "ZN_RETRY"
"""Environment variable: what maps do about failed items if their caller does not say it."""


def told() -> str | None:
    """Return what the environment says."""
    return os.environ.get(RETRY) or None
