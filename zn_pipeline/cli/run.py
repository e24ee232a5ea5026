"""``zn-pipeline run STAGE``: what the ``cmd`` of a stage calls."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from zn_pipeline.execute.session import Session
from zn_pipeline.execute.worker import drop_records, run_task


def run(stage: str = typer.Argument(..., help="Name of the node.")) -> None:
    """Run one node in its work dir; nothing of DVC's is read or written."""
    task = Session(Path.cwd()).task(stage)
    result = run_task(task, log=False)
    drop_records(Path(task.tmp), [task.name])
    if not result.ok:
        print(result.error, file=sys.stderr)
        raise typer.Exit(1)
