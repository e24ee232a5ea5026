"""``zn-pipeline show NAME``: one node with its values."""

from __future__ import annotations

import json

import typer

from zn_pipeline.errors import PipelineError
from zn_pipeline.node import field_specs, state_of
from zn_pipeline.records import Kind
from zn_pipeline.store.source import from_rev


def show(
    name: str = typer.Argument(..., help="Name of a node."),
    remote: str = typer.Option(None, "--remote", help="Path or URL of a Git repository."),
    rev: str = typer.Option(None, "--rev", help="Commit, tag, branch or DVC experiment."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show class, params, wiring and outputs of a node."""
    node = from_rev(name, remote, rev)
    source = state_of(node).source
    entry = source.entry(state_of(node).stage)  # type: ignore[union-attr]
    values: dict[str, str] = {}
    for field, spec in field_specs(type(node)).items():
        if spec.kind is Kind.DEPS:
            values[field] = json.dumps(entry.get("wires", {}).get(field))
            continue
        try:
            values[field] = _brief(getattr(node, field))
        except PipelineError as error:
            values[field] = f"<{type(error).__name__}>"
    if as_json:
        print(json.dumps({"class": entry["class"], "fields": values}))
        return
    print(f"{name}  {entry['class']}")
    for field, spec in field_specs(type(node)).items():
        print(f"  {spec.kind:12s} {field} = {values[field]}")


def _brief(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else text[:97] + "..."
