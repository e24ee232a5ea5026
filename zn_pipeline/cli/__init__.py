"""Command line: ``zn-pipeline`` or ``znp``. One file for each verb."""

from __future__ import annotations

from zn_pipeline.cli.app import main as main

__all__ = ["main"]
