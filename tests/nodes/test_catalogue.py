"""The lazy catalogue: `nodes/__init__.py` and its stub."""

import ast
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import nodes
import zn_pipeline as zn

HEAVY = [
    "dask", "distributed", "dvc", "git", "jax", "matplotlib", "nodes.numerics", "optax",
    "packmol", "pandas", "rdkit", "tblite", "torch",
]  # fmt: skip


def test_names_are_sorted_and_importable():
    stub = ast.parse(Path(nodes.__file__).with_suffix(".pyi").read_text())
    imported = [
        alias.name for step in stub.body if isinstance(step, ast.ImportFrom) for alias in step.names
    ]
    assert nodes.__all__ == sorted(imported)
    for name in nodes.__all__:
        assert getattr(nodes, name).__name__ == name


def test_the_docstring_maps_every_name():
    words = nodes.__doc__.replace(",", " ").replace(";", " ").split()
    assert set(nodes.__all__) <= set(words)


def test_every_node_of_the_library_is_in_the_catalogue():
    found = set()
    for module in pkgutil.walk_packages(nodes.__path__, "nodes."):
        if module.name.startswith("nodes.numerics"):
            continue
        members = vars(__import__(module.name, fromlist=["_"])).values()
        found |= {
            member.__name__
            for member in members
            if isinstance(member, type)
            and issubclass(member, zn.Node)
            and member is not zn.Node
            and "run" in vars(member)
        }
    assert found <= set(nodes.__all__)


@pytest.mark.parametrize("eager", [False, True])
def test_importing_everything_loads_nothing_heavy(eager):
    code = (
        "import sys, json, nodes\n"
        "[getattr(nodes, name) for name in nodes.__all__]\n"
        f"print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    )
    environment = {**os.environ, **({"EAGER_IMPORT": "1"} if eager else {})}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert json.loads(done.stdout) == []
