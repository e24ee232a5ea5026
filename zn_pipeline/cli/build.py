"""``zn-pipeline build SCRIPT``: write the graph of a Project script without running it."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import typer

from zn_pipeline.errors import NotRunError, PipelineError
from zn_pipeline.naming import DVC_FILE
from zn_pipeline.project import BUILD_ONLY


def build(script: Path = typer.Argument(..., help="Python file with a Project.")) -> None:
    """Write dvc.yaml, params.yaml and graph.json as the Project in SCRIPT says; run nothing."""
    if not script.is_file():
        raise PipelineError(f"SCRIPT must be a Python file, received {script}")
    sys.path.insert(0, str(script.resolve().parent))
    os.environ[BUILD_ONLY] = "1"
    try:
        runpy.run_path(str(script), run_name="__main__")
    except NotRunError:  # a script goes on to read results, which building does not make
        if not Path(DVC_FILE).exists():
            raise
    finally:
        del os.environ[BUILD_ONLY]
    print("built: dvc.yaml params.yaml graph.json")
