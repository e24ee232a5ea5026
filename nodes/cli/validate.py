"""``znp validate train|md FILE``: whether a YAML file is right."""

from pathlib import Path
from typing import Annotated

import typer

from nodes.cli.kinds import Kind, section_of


def validate(
    kind: Annotated[Kind, typer.Argument(help="What the file is for.")],
    file: Annotated[Path, typer.Argument(help="YAML file.")],
) -> None:
    """Check a YAML file; every problem is named with line, key and the nearest right key."""
    from nodes.cli.notes import print_notes
    from nodes.schema.reading import read_config

    print_notes(read_config(file, section_of(kind)))
    print(f"{file} is a valid {kind} config")
