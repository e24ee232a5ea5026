"""Stable digests of plain data."""

from __future__ import annotations

import hashlib
import json

from zn_pipeline.records import Json


def digest(value: Json) -> str:
    """Return the sha256 of plain data, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def short(value: Json) -> str:
    """Return the first 16 hexadecimal digits of :func:`digest`."""
    return digest(value)[:16]
