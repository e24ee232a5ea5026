"""``zn-pipeline explain NAME``: which param, file, wire or function made a node stale."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import typer

from zn_pipeline.execute.session import Session
from zn_pipeline.naming import normalise


def explain(
    name: str = typer.Argument(..., help="Name of a node."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Say what changed since a node ran last."""
    session = Session(Path.cwd())
    session.refresh()
    stage = normalise(name)
    found = {item.name: item for item in session.status([stage])}
    item = found[stage]
    if as_json:
        print(json.dumps(dataclasses.asdict(item)))
        return
    print(f"{item.name} is {item.state}")
    for reason in item.reasons:
        print(f"  {reason}")
    for above in found.values():
        if item.state == "waiting" and above.state in ("stale", "failed"):
            print(f"  above it, {above.name} is {above.state}: {'; '.join(above.reasons)}")
