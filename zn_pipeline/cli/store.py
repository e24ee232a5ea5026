"""``zn-pipeline store``: the results of single items that all branches share."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from zn_pipeline.errors import PipelineError
from zn_pipeline.items import compaction, exchange, upkeep
from zn_pipeline.items.store import ItemStore
from zn_pipeline.store.remote_files import RemoteFiles
from zn_pipeline.store.repository import Repository
from zn_pipeline.store.work_trees import work_trees

REMOTE_FOLDER = "zn_pipeline/items"
"""Where the segments lie on a DVC remote."""

app = typer.Typer(
    name="store",
    help="Results of single items, computed once for all branches and experiments.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("status")
def status(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Say what the store holds, by function."""
    found = upkeep.status(ItemStore.default())
    if as_json:
        print(_json(found))
        return
    print(f"store: {found.folder}")
    print(
        f"{found.n_ok} results, {found.n_failed} failures, {_size(found.n_bytes)} "
        f"in {found.n_segments} segments, {found.n_growing} of them being written"
    )
    for item in found.functions:
        failed = f", {item.n_failed} failed" if item.n_failed else ""
        print(f"  {item.n_ok:8d}{failed}  {item.function}  ({_duration(item.seconds)})")
    for owner, n_keys in found.owners.items():
        print(f"{owner} computes {n_keys} items")
    _print_trouble(found.damaged, found.not_deterministic)


@app.command("explain")
def explain(
    key: str = typer.Argument(..., help="First digits of a key, as in the .keys files."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Say what a result was made from, and what differs in others of the same structure."""
    lines = upkeep.describe(ItemStore.default(), key)
    print(json.dumps(lines) if as_json else "\n".join(lines))


@app.command("verify")
def verify(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Read every byte; exit code 1 if something is damaged. Damaged items count as not done."""
    found = upkeep.verify(ItemStore.default())
    if as_json:
        print(_json(found))
    else:
        state = "clean" if found.clean else "damaged"
        print(f"{state}: {found.n_ok} results and {found.n_failed} failures are whole")
        if found.lost:
            print(f"{len(found.lost)} items are lost and will be computed again")
        _print_trouble(found.damaged, found.not_deterministic)
    if not found.clean:
        raise typer.Exit(1)


@app.command("rebuild")
def rebuild() -> None:
    """Make the index anew from the segments."""
    store = ItemStore.default()
    store.rebuild()
    found = upkeep.status(store)
    print(f"{found.n_ok} results and {found.n_failed} failures in {found.n_segments} segments")


@app.command("gc")
def gc(
    older_than: float = typer.Option(
        None, "--older-than", min=0, metavar="DAYS", help="Remove what is older than this."
    ),
    all_unreferenced: bool = typer.Option(
        False, "--all-unreferenced", help="Remove all that no published file refers to."
    ),
    keep: list[Path] = typer.Option(
        None, "--keep", help="Further folders with published files; may be repeated."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be removed."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Remove results that no .keys file in any work tree refers to; merge small segments."""
    if (older_than is None) == (not all_unreferenced):
        raise PipelineError(
            "gc must be given one of --older-than DAYS and --all-unreferenced, received "
            f"{'both' if all_unreferenced else 'neither'}"
        )
    keys = compaction.referenced_keys([*_projects(), *(keep or ())])
    found = compaction.gc(
        ItemStore.default(), keep=keys, older_than_days=older_than or 0.0, dry_run=dry_run
    )
    if as_json:
        print(_json(found))
        return
    would = "would be removed" if dry_run else "removed"
    print(f"{found.n_removed} results {would}, {found.n_kept} kept; {_size(found.n_bytes)} less")
    if found.segments_growing:
        print(f"{found.segments_growing} segments are being written and were left alone")
    if found.n_damaged:
        print(f"{found.n_damaged} results were damaged and are lost")


@app.command("push")
def push(
    remote: str = typer.Option(None, "--remote", "-r", help="DVC remote; the default one if not."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Upload finished segments to the DVC remote."""
    _exchange(exchange.push, "pushed", remote, as_json=as_json)


@app.command("pull")
def pull(
    remote: str = typer.Option(None, "--remote", "-r", help="DVC remote; the default one if not."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Download segments from the DVC remote; each byte is checked before it counts."""
    _exchange(exchange.pull, "pulled", remote, as_json=as_json)


def _exchange(
    action: Callable[[ItemStore, exchange.RemoteFolder], exchange.ExchangeReport],
    done: str,
    remote: str | None,
    *,
    as_json: bool,
) -> None:
    folder = RemoteFiles(Repository.find(), REMOTE_FOLDER, remote)
    found = action(ItemStore.default(), folder)
    if as_json:
        print(_json(found))
    else:
        print(f"{done} {len(found.segments)} segments, {_size(found.n_bytes)}")
        if found.growing:
            print(f"{len(found.growing)} segments are being written and were left out")
        for name in found.damaged:
            print(f"{name} is damaged and was left out; see 'zn-pipeline store verify'")
    if found.damaged:
        raise typer.Exit(1)


def _projects() -> list[Path]:
    try:
        return work_trees(Repository.find().dvc_root)
    except PipelineError:
        return [Path.cwd()]


def _print_trouble(
    damaged: tuple[upkeep.Damage, ...], not_deterministic: tuple[bytes, ...]
) -> None:
    for item in damaged:
        print(f"damaged: {item}")
    for key in not_deterministic:
        print(f"not deterministic: {key.hex()} was computed twice, with different results")


def _json(report: Any) -> str:
    values = dataclasses.asdict(report)
    if isinstance(report, upkeep.VerifyReport):
        values["clean"] = report.clean
    return json.dumps(values, default=lambda value: value.hex())


def _size(n_bytes: int) -> str:
    size, units = float(n_bytes), ["bytes", "KiB", "MiB", "GiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{n_bytes} bytes" if units[0] == "bytes" else f"{size:.1f} {units[0]}"


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 3600 else f"{seconds / 3600:.1f} h"
