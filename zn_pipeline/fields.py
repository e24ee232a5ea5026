"""Field specifiers: what a node reads and what it writes. Metadata only; nothing here does IO.

==============  ===========================================================  ==================
field           value                                                        stored in
==============  ===========================================================  ==================
params          plain values that the user sets                              ``params.yaml``
deps            outputs, properties, methods of other nodes; whole nodes;    wiring in
                lists, tuples, dicts, sums, slices of those; specs; None     ``graph.json``
outs            values that ``run`` sets, stored by a codec                  work dir
metrics         a dict of numbers                                            work dir, JSON
plots           a table                                                      work dir, CSV
params_path     params file(s), tracked as a whole                           given path
deps_path       file(s) or folder(s) that the node reads                     given path
outs_path       file(s) or folder(s) that ``run`` writes itself              given path
metrics_path    metrics file(s) that ``run`` writes itself                   given path
plots_path      plot file(s) or image(s) that ``run`` writes itself          given path
==============  ===========================================================  ==================
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from zn_pipeline.records import FieldOptions, Kind, PlotOptions

OPTIONS = "zn_pipeline"
"""Key of the options in the metadata of a dataclass field."""

_MISSING: Any = dataclasses.MISSING


def _field(options: FieldOptions, default: Any, default_factory: Any, *, init: bool) -> Any:
    if default is not _MISSING and default_factory is not _MISSING:
        raise TypeError("a field must have either default or default_factory, received both")
    if isinstance(default, (list, dict, set)):
        value: Any = default
        default, default_factory = _MISSING, lambda: copy.deepcopy(value)
    arguments: dict[str, Any] = {"metadata": {OPTIONS: options}, "init": init, "repr": False}
    if options.kind is Kind.PARAMS:
        arguments["repr"] = True
    if default is not _MISSING:
        arguments["default"] = default
    if default_factory is not _MISSING:
        arguments["default_factory"] = default_factory
    return dataclasses.field(**arguments)


def params(
    default: Any = _MISSING,
    *,
    default_factory: Callable[[], Any] | Any = _MISSING,
    aliases: Sequence[str] = (),
) -> Any:
    """Declare a parameter: a plain value, kept in the params file, that users change.

    Parameters
    ----------
    default, default_factory : as in ``dataclasses.field``
    aliases : names that this field had in earlier revisions, so that they still load
    """
    options = FieldOptions(Kind.PARAMS, aliases=tuple(aliases))
    return _field(options, default, default_factory, init=True)


def deps(
    default: Any = _MISSING,
    *,
    default_factory: Callable[[], Any] | Any = _MISSING,
    aliases: Sequence[str] = (),
) -> Any:
    """Declare a dependency on other nodes, or a spec (frozen dataclass, pydantic model)."""
    options = FieldOptions(Kind.DEPS, aliases=tuple(aliases))
    return _field(options, default, default_factory, init=True)


def outs(*, cache: bool = True, aliases: Sequence[str] = ()) -> Any:
    """Declare an output that ``run`` assigns; the annotation selects the codec.

    Parameters
    ----------
    cache : keep the content in the DVC cache; False leaves the file to Git
    aliases : names that this field had in earlier revisions
    """
    options = FieldOptions(Kind.OUTS, cache=cache, aliases=tuple(aliases))
    return _field(options, _MISSING, _MISSING, init=False)


def metrics(*, cache: bool = True, aliases: Sequence[str] = ()) -> Any:
    """Declare a dict of numbers that ``dvc metrics`` shows and compares."""
    options = FieldOptions(Kind.METRICS, cache=cache, aliases=tuple(aliases))
    return _field(options, _MISSING, _MISSING, init=False)


def plots(
    *,
    x: str | None = None,
    y: str | Sequence[str] | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    title: str | None = None,
    template: str | None = None,
    cache: bool = True,
    aliases: Sequence[str] = (),
) -> Any:
    """Declare a table (pandas.DataFrame) that ``dvc plots`` draws.

    Parameters
    ----------
    x, y : column names; several ``y`` give several curves
    x_label, y_label, title, template : as DVC's plots know them
    """
    columns = () if y is None else (y,) if isinstance(y, str) else tuple(y)
    plot = PlotOptions(x, columns, x_label, y_label, title, template)
    options = FieldOptions(Kind.PLOTS, cache=cache, plot=plot, aliases=tuple(aliases))
    return _field(options, _MISSING, _MISSING, init=False)


def params_path(default: Any = _MISSING, *, default_factory: Any = _MISSING) -> Any:
    """Declare params file(s) that are tracked as a whole."""
    return _field(FieldOptions(Kind.PARAMS_PATH), default, default_factory, init=True)


def deps_path(default: Any = _MISSING, *, default_factory: Any = _MISSING) -> Any:
    """Declare file(s) or folder(s) that the node reads, or another node's ``outs_path``."""
    return _field(FieldOptions(Kind.DEPS_PATH), default, default_factory, init=True)


def outs_path(default: Any = _MISSING, *, cache: bool = True) -> Any:
    """Declare file(s) or folder(s) that ``run`` writes itself, e.g. ``zn.nwd / "traj.h5"``."""
    return _field(FieldOptions(Kind.OUTS_PATH, cache=cache), default, _MISSING, init=True)


def metrics_path(default: Any = _MISSING, *, cache: bool = True) -> Any:
    """Declare metrics file(s) that ``run`` writes itself."""
    return _field(FieldOptions(Kind.METRICS_PATH, cache=cache), default, _MISSING, init=True)


def plots_path(default: Any = _MISSING, *, cache: bool = True) -> Any:
    """Declare plot file(s) or image(s) that ``run`` writes itself."""
    return _field(FieldOptions(Kind.PLOTS_PATH, cache=cache), default, _MISSING, init=True)


SPECIFIERS = (
    params,
    deps,
    outs,
    metrics,
    plots,
    params_path,
    deps_path,
    outs_path,
    metrics_path,
    plots_path,
)


@dataclasses.dataclass(frozen=True, slots=True)
class NodeWorkDir:
    """Placeholder for the work dir of a node; ``zn.nwd / "name"`` is a path in it."""

    parts: tuple[str, ...] = ()

    def __truediv__(self, part: str) -> NodeWorkDir:
        text = str(part)
        if not text or text.startswith("/") or ".." in text.split("/"):
            raise ValueError(f"a path below zn.nwd must be inside it, received {text!r}")
        return NodeWorkDir((*self.parts, text))

    def resolve(self, work_dir: str) -> str:
        """Return the path below ``work_dir``."""
        if not self.parts:
            raise ValueError('zn.nwd must be followed by a name, as in zn.nwd / "traj.h5"')
        return "/".join((work_dir, *self.parts))

    def __fspath__(self) -> str:
        raise TypeError("zn.nwd is a placeholder; inside a node use self.nwd or the path field")

    def __str__(self) -> str:
        return "/".join(("$nwd$", *self.parts))


nwd = NodeWorkDir()
"""The work dir of a node, as a placeholder for defaults of path fields."""
