"""``znp template train|md``: a YAML file to start from."""

from typing import Annotated

import typer

from nodes.cli.kinds import Kind, example_of


def template(
    kind: Annotated[Kind, typer.Argument(help="What the file is for.")],
    full: Annotated[bool, typer.Option("--full", help="Every key, with its meaning.")] = False,
) -> None:
    """Print a YAML file to start from: znp template train > config.yaml."""
    from nodes.schema.template import template as text

    print(text(example_of(kind), full=full), end="")
