"""``znp train CONFIG.yaml``: train a potential."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[Path, typer.Argument(help="YAML file; see: znp template train")],
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew.")] = False,
) -> None:
    """Train a potential. A run that was interrupted goes on where it was."""
    from nodes.cli.notes import print_notes
    from nodes.schema.reading import read_config
    from nodes.training.config.train import TrainConfig
    from nodes.training.runs import train as run

    settings = read_config(config, TrainConfig)
    print_notes(settings)
    print("\n".join(run(settings, fresh=fresh).lines))
