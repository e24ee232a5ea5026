"""The base class of all nodes.

A node class declares its fields and one method, ``run``. An instance is in one of three situations:

- free: made outside a Project; all values are plain attributes and ``run()`` works at once;
- in a Project: while the project's block is open every public attribute is a :class:`Ref`;
  afterwards outputs and dependencies give values, read from the work dir;
- loaded: made by ``from_rev`` or by a worker; every value is read when first asked for.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import inspect
import shutil
import sys
import tempfile
import typing
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, dataclass_transform

from zn_pipeline.errors import BuildError, NotRunError
from zn_pipeline.fields import OPTIONS, SPECIFIERS, NodeWorkDir
from zn_pipeline.naming import suggest, work_dir
from zn_pipeline.records import FieldOptions, FieldSpec, Kind, ValueSource
from zn_pipeline.reference import Ref, RefSum
from zn_pipeline.resources import Resources


class Registry(typing.Protocol):
    """The part of an open Project that nodes know."""

    def register(self, node: Node) -> None:
        """Take up a node that was just made."""
        ...

    def owns(self, node: Node) -> bool:
        """Whether attributes of the node are references in this project."""
        ...


ACTIVE: contextvars.ContextVar[Registry | None] = contextvars.ContextVar("project", default=None)
"""The project whose ``with`` block is open, if any."""

SOURCES: dict[str, tuple[int, int]] = {}
"""Time of change and size of the file of each module, as they were when it made a node class."""

_PLAIN = frozenset({"name", "nwd", "scratch", "resources", "always_changed", "map", "progress"})
_RESERVED = _PLAIN | {"run"}


@dataclasses.dataclass(slots=True)
class NodeState:
    """What the framework knows of one node object; users never touch it."""

    groups: tuple[str, ...] = ()
    stage: str = ""
    inputs: dict[str, Any] = dataclasses.field(default_factory=dict)
    source: ValueSource | None = None
    scratch: Path | None = None
    temporary: Path | None = None
    cpus: int = 1
    report: Callable[[int, int], None] | None = None


class NodeMeta(type):
    """Metaclass: registers instances that are made inside a Project."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a node; see the class for its fields."""
        if args:
            raise TypeError(
                f"{cls.__name__} takes keyword arguments only, received {len(args)} positional"
            )
        specs = field_specs(typing.cast("type[Node]", cls))
        for name in kwargs:
            spec = specs.get(name)
            if spec is not None and name not in cls.__dataclass_init__:  # type: ignore[attr-defined]
                raise TypeError(
                    f"{cls.__name__}.{name} is an output and must not be set in the constructor"
                )
            if spec is None and name in cls.__dataclass_init__ - _PLAIN:  # type: ignore[attr-defined]
                raise TypeError(
                    f"{cls.__name__}.{name} must be declared by zn.params() or zn.deps() to be "
                    "given, received a field with a plain annotation, which no file would hold"
                )
        node = super().__call__(**kwargs)
        project = ACTIVE.get()
        if project is not None:
            project.register(node)
        return node


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=SPECIFIERS)
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class Node(metaclass=NodeMeta):
    """One step of a workflow: declared params, deps and outs, and a method ``run``.

    Parameters
    ----------
    name : name of the node; the class name (with ``_1``, ``_2``, ...) if not given
    always_changed : run in every repro, as DVC's option of that name

    Notes
    -----
    Class keyword ``version="2"`` replaces the digest of the source code: the node reruns when the
    version changes and not when the code does. ``resources`` is a class attribute.
    """

    resources: ClassVar[Resources] = Resources()
    code_version: ClassVar[str | None] = None
    __zn_specs__: ClassVar[dict[str, FieldSpec] | None] = None
    __dataclass_init__: ClassVar[frozenset[str]] = frozenset()

    name: str | None = None
    always_changed: bool = False

    def __init_subclass__(cls, version: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in cls.__annotations__ if "__annotations__" in cls.__dict__ else ():
            if name in _RESERVED and name != "resources":
                raise BuildError(f"{cls.__name__}.{name} must have another name: it is reserved")
        if "always_changed" in cls.__dict__:  # as a class attribute it is the default
            cls.__annotations__ = {**inspect.get_annotations(cls), "always_changed": bool}
        _note_source(cls.__module__)
        cls.code_version = version
        cls.__zn_specs__ = None
        text = cls.__doc__
        dataclasses.dataclass(kw_only=True, eq=False, repr=False)(cls)
        cls.__doc__ = text  # where there is none, dataclass would put the signature
        cls.__dataclass_init__ = frozenset(f.name for f in dataclasses.fields(cls) if f.init)
        for field in dataclasses.fields(cls):  # a default on the class would hide stored values
            if OPTIONS in field.metadata and field.name in cls.__dict__:
                delattr(cls, field.name)

    def run(self) -> None:
        """Do the work: read params and deps, set all outputs."""
        raise NotImplementedError(f"{type(self).__name__} must define run()")

    @property
    def nwd(self) -> Path:
        """Folder of this node's files."""
        state = _state(self)
        if state.source is not None:
            return Path(state.source.shown(work_dir(state.groups, self.__dict__["name"])))
        if state.temporary is None:
            state.temporary = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__}-"))
            weakref.finalize(self, shutil.rmtree, state.temporary, ignore_errors=True)
        return state.temporary

    @property
    def scratch(self) -> Path:
        """Folder outside the outputs, kept between attempts with unchanged inputs.

        Checkpoints belong here: a node that was killed finds them again. Removed on success.
        """
        path = _state(self).scratch or self.nwd / "scratch"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def map(self, func: Any, items: Iterable[Any], **options: Any) -> Any:
        """Apply a function to every item; what was computed before is read from the item store.

        Parameters
        ----------
        func, items, options : see :func:`zn_pipeline.map`

        Returns
        -------
        MapResults or MapValues
            The outputs in the order of the items; ``failures`` and ``report`` say what became of
            each.
        """
        from zn_pipeline.items.map import map_items  # noqa: PLC0415

        state = _state(self)
        mine: dict[str, Any] = {
            "name": state.stage or self.__dict__.get("name") or type(self).__name__,
            "processes": state.cpus,
            "progress": self.progress,
            "failures_out": self.nwd,
        }
        return map_items(func, items, **{**mine, **options})

    def progress(self, done: int, total: int) -> None:
        """Tell the display how far ``run`` is."""
        report = _state(self).report
        if report is not None:
            report(done, total)

    def __getattribute__(self, name: str) -> Any:
        if name[0] != "_":
            project = ACTIVE.get()
            if project is not None and name not in _PLAIN and project.owns(self):
                return _reference(self, name)
        return object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        spec = field_specs(type(self)).get(name)
        if spec is None:
            raise _unknown(self, name)
        state = _state(self)
        if name in state.inputs and not contains_reference(state.inputs[name]):
            given = state.inputs[name]
            return _place(given, str(self.nwd), spec) if spec.kind.is_path else given
        if state.source is None:
            shown = self.__dict__.get("name") or type(self).__name__
            raise NotRunError(f"{shown}.{name} does not exist yet; call run(), or project.repro()")
        value = state.source.value(state.stage, spec)
        vars(self)[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        spec, state = field_specs(type(self)).get(name), _state(self)
        if name == "name" and state.stage:
            raise AttributeError(
                f"the name of {state.stage} must be given when the node is made, received {value!r}"
            )
        if spec is not None and (spec.kind.is_path or name in state.inputs):
            state.inputs[name] = value
            vars(self).pop(name, None)
            return
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        shown = {
            name: self.__dict__.get(name, "...")
            for name, spec in field_specs(type(self)).items()
            if spec.kind is Kind.PARAMS
        }
        if self.__dict__.get("name"):
            shown = {"name": self.__dict__["name"], **shown}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


def _note_source(module: str) -> None:
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is not None:
        with contextlib.suppress(OSError):
            info = Path(file).stat()
            SOURCES[module] = (info.st_mtime_ns, info.st_size)


def _state(node: Node) -> NodeState:
    state = node.__dict__.get("_zn")
    if state is None:
        state = vars(node)["_zn"] = NodeState()
    return typing.cast("NodeState", state)


def state_of(node: Node) -> NodeState:
    """Return the framework's record of a node object."""
    return _state(node)


def _reference(node: Node, name: str) -> Ref:
    cls = type(node)
    if name not in field_specs(cls) and not hasattr(cls, name):
        raise _unknown(node, name)
    return Ref(node, name)


def _unknown(node: Node, name: str) -> AttributeError:
    cls = type(node)
    known = [n for n in (*field_specs(cls), *dir(cls)) if not n.startswith("_")]
    shown = node.__dict__.get("name") or cls.__name__
    return AttributeError(
        f"{shown} ({cls.__name__}) has no field, property or method {name!r}{suggest(name, known)}"
    )


def contains_reference(value: Any) -> bool:
    """Whether a value holds references or nodes, at any depth of containers and specs."""
    if isinstance(value, (Ref, RefSum, Node)):
        return True
    if isinstance(value, (list, tuple)):
        return any(contains_reference(item) for item in typing.cast("list[Any]", value))
    if isinstance(value, dict):
        return any(contains_reference(v) for v in typing.cast("dict[Any, Any]", value).values())
    if isinstance(value, type):
        return False
    if dataclasses.is_dataclass(value):
        return any(contains_reference(getattr(value, f.name)) for f in dataclasses.fields(value))
    names = getattr(value, "model_fields_set", ())
    return any(contains_reference(getattr(value, name)) for name in names)


def as_path(value: Any, spec: FieldSpec) -> Any:
    """Return path(s) as the annotation of the field says: str if it names str only, else Path."""
    if isinstance(value, (list, tuple)):
        items = [as_path(item, spec) for item in typing.cast("list[Any]", value)]
        return items if isinstance(value, list) else tuple(items)
    if value is None:
        return None
    text = spec.annotation if isinstance(spec.annotation, str) else repr(spec.annotation)
    return str(value) if "str" in text and "Path" not in text else Path(value)


def _place(value: Any, folder: str, spec: FieldSpec) -> Any:
    """Return path(s) with the work dir put in for the placeholder."""
    return as_path(place_paths(value, folder), spec)


def place_paths(value: Any, folder: str) -> Any:
    """Return path(s) as text, with ``folder`` in the place of ``zn.nwd``."""
    if isinstance(value, (list, tuple)):
        items = [place_paths(item, folder) for item in typing.cast("list[Any]", value)]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, NodeWorkDir):
        return value.resolve(folder)
    return value if value is None else Path(value).as_posix()


def field_specs(cls: type[Node]) -> dict[str, FieldSpec]:
    """Return the declared fields of a node class, inherited ones included."""
    cached = cls.__dict__.get("__zn_specs__")
    if cached is not None:
        return typing.cast("dict[str, FieldSpec]", cached)
    specs: dict[str, FieldSpec] = {}
    for field in dataclasses.fields(cls):
        options = field.metadata.get(OPTIONS)
        if not isinstance(options, FieldOptions):
            continue
        required = (
            field.init
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        )
        specs[field.name] = FieldSpec(field.name, options, field.type, required)
    cls.__zn_specs__ = specs
    return specs


def resolved_annotation(cls: type[Node], spec: FieldSpec) -> Any:
    """Return the annotation of a field as an object, or as its text if it cannot be resolved."""
    if not isinstance(spec.annotation, str):
        return spec.annotation
    for base in cls.__mro__:
        if spec.name in inspect.get_annotations(base):
            module = sys.modules.get(base.__module__)
            try:
                return eval(spec.annotation, dict(vars(module)) if module else {}, dict(vars(base)))
            except (NameError, AttributeError, TypeError, SyntaxError):
                return spec.annotation
    return spec.annotation


def load_node(cls: type[Node], stage: str, groups: tuple[str, ...], name: str, source: Any) -> Node:
    """Return a node whose values come from ``source``; nothing is read before it is asked for."""
    node = cls.__new__(cls)
    vars(node)["name"] = name
    vars(node)["_zn"] = NodeState(groups=groups, stage=stage, source=source)
    post_init = getattr(cls, "__post_init__", None)
    if post_init is not None:
        post_init(node)
    return node
