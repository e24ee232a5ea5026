"""Records to the text of ``dvc.yaml``, the params file and ``graph.json``.

The same records always give the same bytes. Stages and sections that are not ours stand in the new
text as they stood in the old one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from zn_pipeline.naming import GRAPH_FILE, WORK_ROOT
from zn_pipeline.records import Json, Kind, NodeRecord, OutputSpec
from zn_pipeline.serialize.block_yaml import dump, load

COMMAND = "zn-pipeline run"


def stage_command(name: str) -> str:
    """Return what stock DVC calls to run a stage."""
    return f"{COMMAND} {name}"


def stage_entry(record: NodeRecord, params_file: str, *, frozen: bool = False) -> dict[str, Json]:
    """Return the entry of one node in ``dvc.yaml``."""
    entry: dict[str, Json] = {"cmd": stage_command(record.name)}
    if record.deps:
        entry["deps"] = list(record.deps)
    entry["params"] = _stage_params(record, params_file)
    for section in ("outs", "metrics", "plots"):
        items = [_output(out) for out in record.outs if _section(out) == section]
        if items:
            entry[section] = items
    if record.always_changed:
        entry["always_changed"] = True
    if frozen:
        entry["frozen"] = True
    return entry


def _stage_params(record: NodeRecord, params_file: str) -> list[Json]:
    graph: Json = {GRAPH_FILE: [record.name, *(n for n in record.reads_graph if n != record.name)]}
    keys = [record.name] if record.params else []
    keys += [key for key in record.reads_params if key != record.name]
    items: list[Json] = [graph]
    if keys:
        items.extend(keys if params_file == "params.yaml" else [{params_file: keys}])
    items.extend({path: None} for path in record.param_files)
    return items


def _section(out: OutputSpec) -> str:
    if out.kind in (Kind.METRICS, Kind.METRICS_PATH):
        return "metrics"
    return "plots" if out.kind is Kind.PLOTS_PATH else "outs"


def _output(out: OutputSpec) -> Json:
    return out.path if out.cache else {out.path: {"cache": False}}


def plot_entries(record: NodeRecord) -> list[Json]:
    """Return the entries of the top-level plots section for the tables of one node."""
    entries: list[Json] = []
    for out in record.outs:
        if out.kind is not Kind.PLOTS or out.plot is None or not out.plot.y:
            continue
        plot = out.plot
        body: dict[str, Json] = {}
        if plot.x is not None:
            body["x"] = {out.path: plot.x}
        body["y"] = {out.path: plot.y[0] if len(plot.y) == 1 else list(plot.y)}
        for key in ("x_label", "y_label", "title", "template"):
            value = getattr(plot, key)
            if value is not None:
                body[key] = value
        entries.append({f"{record.name}_{out.field}": body})
    return entries


def graph_text(records: Iterable[NodeRecord]) -> str:
    """Return ``graph.json`` for records."""
    return graph_text_of({record.name: record.entry for record in records})


def graph_text_of(entries: Mapping[str, Json]) -> str:
    """Return ``graph.json``: one line for each node."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(entry, ensure_ascii=False)}"
        for name, entry in entries.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def params_text(
    records: Iterable[NodeRecord], params_file: str, old: Json, owned: Sequence[str]
) -> str:
    """Return the params file; keys of the old one that no node of ours owned are kept.

    Parameters
    ----------
    old : content of the params file before
    owned : names of the nodes of the graph before
    """
    values = {r.name: dict(r.params) for r in records if r.params}
    names = {r.name for r in records}
    foreign: dict[str, Json] = {}
    if isinstance(old, dict):
        items = cast("dict[str, Json]", old).items()
        foreign = {k: v for k, v in items if k not in names and k not in owned}
    merged = {**foreign, **values}
    if params_file.endswith(".json"):
        return json.dumps(merged, indent=1, ensure_ascii=False) + "\n"
    return dump(merged) if merged else ""


def dvc_text(records: Sequence[NodeRecord], params_file: str, kept: ForeignParts) -> str:
    """Return ``dvc.yaml``, with the foreign stages and sections of the old text."""
    names = {record.name for record in records}
    clash = names & set(kept.stages)
    if clash:
        raise ValueError(
            f"node names must differ from the stages that dvc.yaml already has, received "
            f"{sorted(clash)[0]!r}; rename the node or the stage"
        )
    parts = ["stages:\n"] if records or kept.stages else []
    parts.extend(kept.stages.values())
    for record in records:
        frozen = record.name in kept.frozen
        entry = stage_entry(record, params_file, frozen=frozen)
        parts.append(dump({record.name: entry}, indent=2))
    plots = [entry for record in records for entry in plot_entries(record)]
    if plots or kept.plots:
        parts.append(dump({"plots": [*kept.plots, *plots]}))
    parts.extend(kept.sections)
    return "".join(parts)


class ForeignParts:
    """What an old ``dvc.yaml`` holds that is not ours.

    Attributes
    ----------
    stages : text of each foreign stage, as it stands in the file
    frozen : names of our stages that ``dvc freeze`` has frozen
    plots : entries of the plots section that draw files of others
    sections : texts of all other top-level sections
    """

    def __init__(self, text: str) -> None:
        self.stages: dict[str, str] = {}
        self.frozen: set[str] = set()
        self.plots: list[Json] = []
        self.sections: list[str] = []
        for key, block in _sections(text):
            if key == "stages":
                self._take_stages(block)
            elif key == "plots":
                self._take_plots(block)
            else:
                self.sections.append(block)

    def _take_stages(self, block: str) -> None:
        blocks = split_stages(block)
        if blocks is None:
            stages = cast("dict[str, Json]", (load(block) or {}).get("stages") or {})
            blocks = {name: dump({name: entry}, indent=2) for name, entry in stages.items()}
        for name, text in blocks.items():
            if not _is_ours(name, text):
                self.stages[name] = text
            elif re.search(r"^    frozen: true$", text, re.MULTILINE):
                self.frozen.add(name)

    def _take_plots(self, block: str) -> None:
        plots: Any = (load(block) or {}).get("plots") or []
        if isinstance(plots, dict):
            plots = [{name: body} for name, body in cast("dict[str, Json]", plots).items()]
        self.plots.extend(plot for plot in plots if not _draws_ours(plot))


def _is_ours(name: str, text: str) -> bool:
    return f"- {GRAPH_FILE}:\n      - {name}\n" in text or (
        f'- {GRAPH_FILE}:\n      - "{name}"\n' in text
    )


def _draws_ours(plot: Json) -> bool:
    if not isinstance(plot, dict):
        return False
    for body in cast("dict[str, Any]", plot).values():
        files = body.get("y") if isinstance(body, dict) else None
        if isinstance(files, dict) and files:
            return all(str(path).startswith(WORK_ROOT + "/") for path in cast("Any", files))
    return False


def _sections(text: str) -> list[tuple[str, str]]:
    """Split YAML text into its top-level sections, comments going with what follows."""
    found: list[tuple[str, str]] = []
    pending: list[str] = []
    for line in text.splitlines(keepends=True):
        top = re.match(r"([A-Za-z_]+):", line)
        if top:
            found.append((top.group(1), "".join([*pending, line])))
            pending = []
        elif line.strip() and not line.startswith("#") and found:
            key, block = found[-1]
            found[-1] = (key, block + "".join(pending) + line)
            pending = []
        else:
            pending.append(line)
    if pending and found and "".join(pending).strip():
        found.append(("", "".join(pending)))
    return found


def split_stages(block: str) -> dict[str, str] | None:
    """Split a ``stages:`` section into the texts of the stages; None if it is no block YAML."""
    lines = block.splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if line.startswith("stages:")), len(lines))
    if start == len(lines) or lines[start].strip() != "stages:":
        return None if start < len(lines) else {}
    blocks: dict[str, list[str]] = {}
    current: list[str] | None = None
    pending: list[str] = []
    for line in lines[start + 1 :]:
        stage = re.match(r"  ([^\s#'\"-][^:\s]*|\"[^\"\\]*\"|'[^']*'):\s*$", line)
        if stage:
            current = blocks.setdefault(stage.group(1).strip("'\""), [])
            current.extend([*pending, line])
            pending = []
        elif not line.strip() or line.lstrip().startswith("#"):
            pending.append(line)
        elif line.startswith("   ") and current is not None:
            current.extend([*pending, line])
            pending = []
        else:
            return None
    if current is not None:
        current.extend(pending)
    return {name: "".join(text) for name, text in blocks.items()}
