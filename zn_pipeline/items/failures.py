"""Files that say which items of a map failed, and why."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from zn_pipeline.items.inputs import Items
from zn_pipeline.items.results import MapResults, MapValues
from zn_pipeline.naming import FAILED_ITEMS_FILE
from zn_pipeline.serialize.frames.outputs import FramesOutput

STRUCTURES = "failed.h5"


def write_failures(
    results: MapResults | MapValues,
    items: Items,
    out: FramesOutput | None,
    folder: str | Path | None,
) -> None:
    """Write the reasons, one line each, and the items that failed; remove those of earlier runs.

    Parameters
    ----------
    results : of the map
    items : its input
    out : puts the files beside its own, with the name of that in front
    folder : where to put them otherwise; None for nowhere
    """
    if folder is not None:
        paths = Path(folder) / FAILED_ITEMS_FILE, Path(folder) / STRUCTURES
    elif out is not None and out.target is not None:
        paths = _beside(out)
    else:
        return
    reasons, structures = paths
    if not results.failures:
        reasons.unlink(missing_ok=True)
        structures.unlink(missing_ok=True)
        return
    reasons.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(failure.to_json(), default=str) for failure in results.failures]
    part = reasons.with_name(f".{reasons.name}.part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(part, reasons)
    if items.of_structures:
        from zn_pipeline.serialize.frames import write_frames  # noqa: PLC0415

        rows = sorted({failure.row for failure in results.failures})
        write_frames(structures, [item for row in rows for item in _members(items, row)])


def _beside(out: FramesOutput) -> tuple[Path, Path]:
    """Return the files beside an output; of a pattern, in the first folder without a field."""
    file = Path(str(out.target))
    if out.per_file:
        folder = next(place for place in file.parents if "{" not in str(place))
        return folder / FAILED_ITEMS_FILE, folder / STRUCTURES
    name = file.name
    return file.with_name(f"{name}.{FAILED_ITEMS_FILE}"), file.with_name(f"{name}.{STRUCTURES}")


def _members(items: Items, row: int) -> list[Any]:
    item = items.read([row])[0]
    return list(item) if isinstance(item, list) else [item]
