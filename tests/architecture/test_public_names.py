"""The public names are listed once, sorted, and nothing else is public."""

import __future__

import ast
import types
from pathlib import Path

import pytest

import nodes
import zn_pipeline


@pytest.mark.parametrize("package", [zn_pipeline, nodes], ids=lambda package: package.__name__)
def test_all_is_sorted_and_every_name_exists(package: types.ModuleType):
    names = list(package.__all__)
    assert names == sorted(set(names))
    missing = [name for name in names if not hasattr(package, name)]
    assert not missing


def test_all_holds_every_public_name_of_the_framework():
    public = {
        name
        for name, value in vars(zn_pipeline).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType | __future__._Feature)
    }
    assert public <= set(zn_pipeline.__all__)


def test_the_stub_of_the_library_lists_every_node(root: Path):
    stub = ast.parse((root / "nodes" / "__init__.pyi").read_text())
    listed = {
        alias.asname or alias.name
        for statement in stub.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert listed == set(nodes.__all__)


def test_a_node_is_public(root: Path, library_files: list[Path]):
    """A node class that the catalogue does not list would never be found."""
    classes = {
        statement.name: [ast.unparse(base).rpartition(".")[2] for base in statement.bases]
        for path in library_files
        if path.parts[0] == "nodes"
        for statement in ast.parse((root / path).read_text()).body
        if isinstance(statement, ast.ClassDef)
    }
    families = {base for bases in classes.values() for base in bases}
    unlisted = [
        name
        for name, bases in classes.items()
        if not name.startswith("_")
        and ("Node" in bases or any("Node" in classes.get(base, ()) for base in bases))
        and name not in nodes.__all__
        and name not in families
    ]
    assert not unlisted, "add one line to nodes/__init__.pyi"
