"""``zn-pipeline repro``: run what is stale."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

import typer

from zn_pipeline.execute.detach import LOG
from zn_pipeline.execute.detach import detach as detached_run
from zn_pipeline.execute.display import LiveDisplay, summary
from zn_pipeline.execute.pools import PoolExecutor
from zn_pipeline.execute.protocol import NoDisplay
from zn_pipeline.execute.session import Session
from zn_pipeline.items.retry import RETRY
from zn_pipeline.project import describe_failures
from zn_pipeline.queues.pools import read_pools
from zn_pipeline.records import RunReport


def repro(
    targets: list[str] = typer.Argument(None, help="Nodes to run, with all that they depend on."),
    workers: int = typer.Option(None, "--workers", "-j", min=1, help="Worker processes."),
    force: bool = typer.Option(False, "--force", "-f", help="Run nodes that are up to date too."),
    keep_going: bool = typer.Option(
        True, "--keep-going/--fail-fast", help="After a failure go on with what it does not touch."
    ),
    pool: str = typer.Option(
        None, "--pool", help="Pool of pools.toml for nodes that are assigned to none."
    ),
    detach: bool = typer.Option(
        False, "--detach", help="Leave: run in the background; the next repro picks up."
    ),
    retry: str = typer.Option(
        None, "--retry", help="'failed': run nodes again of which items failed, and these items."
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Show failures only."),
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Run what is stale, in parallel here or in pools; exit code 1 if a node failed."""
    session = Session(Path.cwd())
    if retry is not None:
        if retry != "failed":
            raise typer.BadParameter(f"must be 'failed', received {retry!r}", param_hint="--retry")
        os.environ[RETRY] = retry
    pools = read_pools(session.root)
    default = None if pool is None else pools.pool(pool)
    if detach:
        arguments = [word for word in sys.argv[2:] if word != "--detach"]
        process = detached_run(session.repository, arguments)
        print(f"process {process} runs; its output goes to {session.repository.tmp / LOG}")
        return
    session.refresh()
    silent = quiet or as_json
    display = NoDisplay() if silent else LiveDisplay(session.repository.tmp)
    report = session.repro(
        targets or (),
        PoolExecutor(pools, default, workers),
        display,
        force=set(session.with_failed_items()) if retry and not force else force,
        keep_going=keep_going,
        resources=session.resources(),
    )
    if as_json:
        print(report_json(report))
    elif not quiet:
        print(summary(report))
    if not report.ok:
        if not as_json:
            typer.echo(describe_failures(report), err=True)
        raise typer.Exit(1)


def report_json(report: RunReport) -> str:
    """Return a report as JSON."""
    stages = {name: dataclasses.asdict(stage) for name, stage in report.stages.items()}
    return json.dumps({"ok": report.ok, "seconds": report.seconds, "stages": stages})
