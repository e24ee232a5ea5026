"""``znp eval CONFIG.yaml``: errors of a trained potential."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    config: Annotated[Path, typer.Argument(help="YAML file, or folder of the run.")],
    n_data: Annotated[
        int | None, typer.Option("--n-data", min=1, help="Structures at most.")
    ] = None,
) -> None:
    """Print errors on structures that were not trained on, and write test_metrics.json."""
    from nodes.training.evaluation import error_table
    from nodes.training.evaluation import evaluate as run
    from nodes.training.runs import find_run

    settings = find_run(config)
    metrics = run(settings, n_data=n_data)
    print("\n".join(error_table(metrics, settings.directory / "test_metrics.json")))
