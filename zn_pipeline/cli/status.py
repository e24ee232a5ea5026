"""``zn-pipeline status``: what would run, and why."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import typer

from zn_pipeline.execute.session import Session


def status(
    targets: list[str] = typer.Argument(None, help="Nodes to look at, with all above them."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Say for each node whether the next run would run it, and why."""
    session = Session(Path.cwd())
    session.refresh()
    found = session.status(targets or ())
    if as_json:
        print(json.dumps({item.name: dataclasses.asdict(item) for item in found}))
        return
    stale = [item for item in found if item.state != "up to date"]
    for item in stale:
        print(f"{item.state:10s} {item.name}  {'; '.join(item.reasons)}")
    print(f"{len(found) - len(stale)} of {len(found)} nodes are up to date")
