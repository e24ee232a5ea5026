"""``zn-pipeline nodes [WORD]``: the catalogue of the node library."""

from __future__ import annotations

import importlib
import inspect
import json

import typer

from zn_pipeline.node import Node, field_specs


def nodes(
    word: str = typer.Argument("", help="Show only nodes whose name or description has this word."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the node classes that are installed, with what they read and write."""
    found = _catalogue().items()
    rows = {name: row for name, row in found if word.lower() in f"{name} {row}".lower()}
    if as_json:
        print(json.dumps(rows))
        return
    for name, row in rows.items():
        print(f"{name}: {row['description']}")
        print(f"    reads  {', '.join(row['reads']) or '-'}")
        print(f"    writes {', '.join(row['writes']) or '-'}")


def _catalogue() -> dict[str, dict[str, str | list[str]]]:
    try:
        library = importlib.import_module("nodes")
    except ModuleNotFoundError:
        return {}
    rows: dict[str, dict[str, str | list[str]]] = {}
    for name in sorted(dir(library)):
        found = getattr(library, name, None)
        if not (isinstance(found, type) and issubclass(found, Node)):
            continue
        specs = field_specs(found).values()
        rows[name] = {
            "description": (inspect.getdoc(found) or "").split("\n", maxsplit=1)[0],
            "reads": [s.name for s in specs if not s.kind.is_output],
            "writes": [s.name for s in specs if s.kind.is_output],
        }
    return rows
