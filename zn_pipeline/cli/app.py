"""The command line as a whole: verbs, exit codes, how errors are shown."""

from __future__ import annotations

import sys

import typer

from zn_pipeline.cli import build, explain, init, listing, nodes, repro, run, show, status, store
from zn_pipeline.cli.plugins import CommandGroup
from zn_pipeline.errors import PipelineError

app = typer.Typer(
    cls=CommandGroup,
    name="zn-pipeline",
    help="Workflows of class-based nodes as plain DVC pipelines.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("init")(init.init)
app.command("build")(build.build)
app.command("repro")(repro.repro)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("explain")(explain.explain)
app.command("list")(listing.list_nodes)
app.command("show")(show.show)
app.command("nodes")(nodes.nodes)
app.add_typer(store.app)


def main() -> None:
    """Run the command line; errors of the framework are one message, without a traceback."""
    try:
        app()
    except (PipelineError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
