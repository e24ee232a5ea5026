"""Importing is light and changes nothing: building a graph must not start JAX, DVC or Dask."""

import ast
import json
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

HEAVY = (
    "dask", "distributed", "dvc", "flax", "git", "jax", "matplotlib", "optax", "pandas", "rdkit",
    "tblite", "torch", "nodes.numerics",
)  # fmt: skip

PROBE = """
import json, logging, os, sys, threading

def state():
    return {
        "environment": sorted(os.environ.items()),
        "handlers": {
            name: len(logging.getLogger(name).handlers)
            for name in ("", "zn_pipeline", "nodes")
        },
        "files": sorted(os.listdir(".")),
        "threads": threading.active_count(),
        "folder": os.getcwd(),
    }

before = state()
%s
after = state()
changed = {key: [before[key], after[key]] for key in before if before[key] != after[key]}
print(json.dumps({"modules": sorted(sys.modules), "changed": changed}))
"""

STATEMENTS = {
    "framework": "import zn_pipeline",
    "framework-names": "import zn_pipeline\nfor n in zn_pipeline.__all__: getattr(zn_pipeline, n)",
    "plugin": "import zn_pipeline.testing.plugin",
    "command-line": "import zn_pipeline.cli",
    "library": "import nodes",
    "library-names": "import nodes\nfor n in nodes.__all__: getattr(nodes, n)",
}


def probe(statement: str, folder: Path) -> dict:
    """Run a statement in a fresh interpreter; return the modules it loaded and what it changed."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE % statement],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", STATEMENTS)
def test_importing_is_light_and_without_effect(name: str, tmp_path: Path):
    seen = probe(STATEMENTS[name], tmp_path)
    assert not [module for module in HEAVY if module in seen["modules"]]
    assert seen["changed"] == {}


def test_the_framework_does_not_need_ase_or_the_library(tmp_path: Path):
    loaded = probe(STATEMENTS["framework"], tmp_path)["modules"]
    assert not {"ase", "h5py", "nodes"}.intersection(loaded)


def test_the_probe_sees_what_it_looks_for(tmp_path: Path):
    effects = (
        "import logging, os; os.environ['X_PROBE'] = '1'; open('made', 'w').close(); import git"
    )
    seen = probe(f"{effects}; logging.basicConfig()", tmp_path)
    assert "git" in seen["modules"]
    assert {"environment", "files", "handlers"} <= set(seen["changed"])


# Where a package may be imported at all, be it inside a function.
DASK_FILES = (
    "zn_pipeline/execute/dask*.py",
    "zn_pipeline/items/dask.py",
    "zn_pipeline/queues/dask_cluster.py",
)
SPEAKERS = {
    "dask": DASK_FILES,
    "dask_jobqueue": DASK_FILES,
    "distributed": DASK_FILES,
    "dvc": ("zn_pipeline/store/*",),
    "git": ("zn_pipeline/store/*",),
}


def imported_packages(source: str) -> set[str]:
    """Return the top-level packages that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_dask_and_dvc_are_spoken_to_in_few_files(root: Path, library_files: list[Path]):
    strangers = {
        str(path): package
        for path in library_files
        for package in imported_packages((root / path).read_text()) & SPEAKERS.keys()
        if not any(fnmatch(str(path), pattern) for pattern in SPEAKERS[package])
    }
    assert not strangers, f"these packages belong to {SPEAKERS}"
