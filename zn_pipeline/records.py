"""Plain data that crosses the borders between layers.

Nothing here knows of files, Git, DVC or Dask; everything is immutable and made of built-in types.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol, cast

Json = Any
"""A value made of dict, list, str, int, float, bool and None."""


class Kind(StrEnum):
    """What a field of a node is, in DVC's words."""

    PARAMS = "params"
    DEPS = "deps"
    OUTS = "outs"
    METRICS = "metrics"
    PLOTS = "plots"
    PARAMS_PATH = "params_path"
    DEPS_PATH = "deps_path"
    OUTS_PATH = "outs_path"
    METRICS_PATH = "metrics_path"
    PLOTS_PATH = "plots_path"

    @property
    def is_output(self) -> bool:
        """Whether the node produces this field."""
        return self in _OUTPUTS

    @property
    def is_path(self) -> bool:
        """Whether the value of the field is a path, or several, rather than data."""
        return self.value.endswith("_path")


_OUTPUTS = frozenset(
    {Kind.OUTS, Kind.METRICS, Kind.PLOTS, Kind.OUTS_PATH, Kind.METRICS_PATH, Kind.PLOTS_PATH}
)


@dataclasses.dataclass(frozen=True, slots=True)
class PlotOptions:
    """How ``dvc plots`` draws a table: columns and labels."""

    x: str | None = None
    y: tuple[str, ...] = ()
    x_label: str | None = None
    y_label: str | None = None
    title: str | None = None
    template: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class FieldOptions:
    """What a field specifier says, before the class and the name are known."""

    kind: Kind
    cache: bool = True
    plot: PlotOptions | None = None
    aliases: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class FieldSpec:
    """One declared field of a node class."""

    name: str
    options: FieldOptions
    annotation: Any
    required: bool

    @property
    def kind(self) -> Kind:
        """What the field is."""
        return self.options.kind


@dataclasses.dataclass(frozen=True, slots=True)
class OutputSpec:
    """One file or folder that a node writes: field, path from the project's root, DVC options."""

    field: str
    kind: Kind
    path: str
    cache: bool
    plot: PlotOptions | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class NodeRecord:
    """All that is written about one node.

    Attributes
    ----------
    name : stage name, groups and node name joined
    groups : group path
    params : canonical values of user params (and of specs), as they stand in the params file
    entry : what ``graph.json`` holds under ``name``: class, code digest, wiring
    deps : files that the node reads, from the project's root, sorted, without repetition
    param_files : params files tracked as a whole
    reads_params : keys of the params file read through other nodes (``"Node"`` or ``"Node.field"``)
    reads_graph : other nodes whose code and wiring this node reads through
    outs : files that the node writes
    """

    name: str
    groups: tuple[str, ...]
    params: Mapping[str, Json]
    entry: Mapping[str, Json]
    deps: tuple[str, ...]
    param_files: tuple[str, ...]
    reads_params: tuple[str, ...]
    reads_graph: tuple[str, ...]
    outs: tuple[OutputSpec, ...]
    always_changed: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class FileHash:
    """Content of a file or folder in DVC's terms; a folder has the suffix ``.dir``."""

    md5: str
    size: int
    nfiles: int | None = None
    isexec: bool = False

    def lock_entry(self, path: str) -> dict[str, Json]:
        """Return the entry of ``dvc.lock`` for this content at ``path``."""
        entry: dict[str, Json] = {"path": path, "hash": "md5", "md5": self.md5, "size": self.size}
        if self.nfiles is not None:
            entry["nfiles"] = self.nfiles
        if self.isexec:
            entry["isexec"] = True
        return entry

    @classmethod
    def from_lock(cls, entry: Mapping[str, Json]) -> FileHash | None:
        """Return the content that an entry of ``dvc.lock`` states, None for another hash."""
        if "md5" not in entry:
            return None
        return cls(
            entry["md5"], entry.get("size", -1), entry.get("nfiles"), bool(entry.get("isexec"))
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """Order to run one node, as sent to a worker.

    Attributes
    ----------
    key : digest of all inputs; names the scratch folder and the record of a finished run
    root, tmp : project's root, and folder for records and scratch
    outs : paths that must exist afterwards, from the root
    deps : paths that the node reads, from the root
    cpus : slots that the node takes
    gpus, memory_gib : what else it demands
    walltime_minutes : the node fails if it runs longer; None for no limit
    kind : class of the node; nodes of one class are taken to last about as long
    """

    name: str
    key: str
    root: str
    tmp: str
    work_dir: str
    outs: tuple[str, ...]
    cpus: int = 1
    kind: str = ""
    walltime_minutes: float | None = None
    gpus: int = 0
    memory_gib: float | None = None
    deps: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class StageResult:
    """What a worker hands back: hashes of the outputs, or the traceback of a failure."""

    name: str
    key: str
    outs: Mapping[str, FileHash] = dataclasses.field(default_factory=dict[str, FileHash])
    trees: Mapping[str, list[dict[str, str]]] = dataclasses.field(
        default_factory=dict[str, list[dict[str, str]]]
    )
    error: str | None = None
    traceback: str | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the node finished."""
        return self.error is None

    def to_json(self) -> Json:
        """Return plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> StageResult:
        """Return the result that :meth:`to_json` gave."""
        outs = {path: FileHash(**content) for path, content in data["outs"].items()}
        fields = cast("dict[str, Any]", {**data, "outs": outs})
        return cls(**fields)


class Status(StrEnum):
    """What became of a stage in a run."""

    UNCHANGED = "unchanged"
    RESTORED = "restored"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclasses.dataclass(frozen=True, slots=True)
class StageReport:
    """Outcome of one stage of a run, with the reason why it ran."""

    name: str
    status: Status
    reason: str = ""
    error: str = ""
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class RunReport:
    """Outcome of a run: one :class:`StageReport` for each stage, by name."""

    stages: Mapping[str, StageReport]
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing failed and nothing was skipped."""
        return not (self.failed or self.skipped)

    def _named(self, status: Status) -> list[str]:
        return [name for name, stage in self.stages.items() if stage.status is status]

    @property
    def done(self) -> list[str]:
        """Stages that ran."""
        return self._named(Status.DONE)

    @property
    def restored(self) -> list[str]:
        """Stages whose outputs were taken from earlier runs."""
        return self._named(Status.RESTORED)

    @property
    def unchanged(self) -> list[str]:
        """Stages that were up to date."""
        return self._named(Status.UNCHANGED)

    @property
    def failed(self) -> list[str]:
        """Stages that failed."""
        return self._named(Status.FAILED)

    @property
    def skipped(self) -> list[str]:
        """Stages that did not run because one that they depend on failed."""
        return self._named(Status.SKIPPED)


class ValueSource(Protocol):
    """Where the values of a loaded node come from."""

    def value(self, name: str, spec: FieldSpec) -> Any:
        """Return the value of field ``spec`` of node ``name``."""
        ...

    def shown(self, path: str) -> str:
        """Return a path from the project's root as user code sees it."""
        ...
