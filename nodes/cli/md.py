"""``znp md MODEL MDCONFIG.yaml``: molecular dynamics with a trained potential."""

from pathlib import Path
from typing import Annotated

import typer


def md(
    model: Annotated[
        Path, typer.Argument(help="YAML file of the training, folder of its run, or of a model.")
    ],
    config: Annotated[Path, typer.Argument(help="YAML file; see: znp template md")],
) -> None:
    """Run molecular dynamics. A run that was interrupted goes on where it was."""
    from nodes.cli.notes import print_notes
    from nodes.dynamics.config.md import MdConfig
    from nodes.dynamics.simulate import simulate
    from nodes.schema.reading import read_config
    from nodes.training.runs import load_trained

    settings = read_config(config, MdConfig)
    print_notes(settings)
    potential, params = load_trained(model)
    print("\n".join(simulate(potential, params, settings).lines))
