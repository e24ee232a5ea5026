"""``zn-pipeline list``: the nodes of a repository."""

from __future__ import annotations

import json

import typer

from zn_pipeline.store.source import open_source


def list_nodes(
    remote: str = typer.Argument(None, help="Path or URL of a Git repository."),
    rev: str = typer.Option(None, "--rev", help="Commit, tag, branch or DVC experiment."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the nodes of this or another repository, at any revision."""
    source = open_source(remote, rev)
    graph = source.snapshot.graph
    if as_json:
        print(json.dumps({name: _row(entry) for name, entry in graph.items()}))
        return
    from rich.console import Console
    from rich.tree import Tree

    root = Tree(source.snapshot.label)
    branches: dict[tuple[str, ...], Tree] = {(): root}
    for name, entry in graph.items():
        groups = tuple(entry.get("groups", []))
        for depth in range(1, len(groups) + 1):
            if groups[:depth] not in branches:
                branches[groups[:depth]] = branches[groups[: depth - 1]].add(groups[depth - 1])
        own = name[len("_".join(groups)) + 1 :] if groups else name
        branches[groups].add(f"{own}  ({entry['class']})")
    Console(highlight=False, markup=False, soft_wrap=True).print(root)


def _row(entry: dict[str, object]) -> dict[str, object]:
    return {
        "class": entry["class"],
        "groups": entry.get("groups", []),
        "outs": entry.get("outs", {}),
    }
