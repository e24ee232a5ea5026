"""Dependencies to JSON and back: the wiring that ``graph.json`` holds.

============================  =====================================================================
dependency                    wire
============================  =====================================================================
None                          ``null``
``a.frames[3]``               ``{"node": "A", "get": ["frames", 3]}``
whole node ``a``              ``{"node": "A"}``
``a.x + b.x``                 ``{"sum": [...]}``
list, tuple, dict             ``[...]``, ``{"tuple": [...]}``, ``{"dict": {key: ...}}``
spec                          ``{"spec": "module:Class", "code": digest, "fields": {...}}``; the
                              plain values of its fields stand in the params file; where they
                              name own code as ``module:name``, ``targets`` has its digest
node of another revision      ``{"node": ..., "remote": ..., "rev": commit, "get": [...]}``; remote
                              is ``null`` for the project's own repository
============================  =====================================================================
"""

from __future__ import annotations

import dataclasses
import importlib
import typing
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

from zn_pipeline.errors import FieldError, PipelineError
from zn_pipeline.fields import OPTIONS
from zn_pipeline.fingerprint.code import code_digest, import_path, target_digest
from zn_pipeline.node import Node
from zn_pipeline.records import FieldOptions, Json, Kind
from zn_pipeline.reference import Ref, RefSum, apply_item, encode_item
from zn_pipeline.serialize.params import checked_param, restore

IMPORTING: ContextVar[str | None] = ContextVar("importing", default=None)
"""The class that is being imported by its name, as workers do; see ``Project.__enter__``."""


def is_spec(value: Any) -> bool:
    """Whether a value is an off-graph spec: a frozen dataclass or a pydantic model."""
    if isinstance(value, (type, Node)):
        return False
    return dataclasses.is_dataclass(value) or hasattr(type(value), "model_fields")


class Encoder:
    """Turns one node's dependencies into wires, and notes what they read.

    Parameters
    ----------
    locate : returns stage name, and remote and revision if it is not of this project, of a node
    where : ``Node.field``, for messages
    """

    def __init__(self, locate: Callable[[Node, str], dict[str, Json]], where: str) -> None:
        self.locate = locate
        self.where = where
        self.refs: list[tuple[Node, str | None]] = []
        self.files: list[str] = []
        self.params: Json = None

    def encode(self, value: Any, where: str | None = None) -> tuple[Json, Json]:
        """Return the wire of a dependency, and the plain values of specs inside it (or None)."""
        where = where or self.where
        if value is None:
            return None, None
        if isinstance(value, Ref):
            self.refs.append((value.node, value.attribute))
            get = [value.attribute, *(encode_item(item) for item in value.items)]
            return {**self.locate(value.node, where), "get": get}, None
        if isinstance(value, Node):
            self.refs.append((value, None))
            return self.locate(value, where), None
        if isinstance(value, RefSum):
            return {"sum": [self.encode(term, where)[0] for term in value.terms]}, None
        if isinstance(value, (list, tuple)):
            return self._sequence(cast("list[Any]", value), where)
        if isinstance(value, dict):
            return self._mapping(cast("dict[Any, Any]", value), where)
        if is_spec(value):
            return self._spec(value, where)
        raise FieldError(
            f"{where} must be an output, property or method of a node, a node, a list, tuple or "
            f"dict of these, a spec (frozen dataclass or pydantic model) or None, received "
            f"{type(value).__name__}: {str(value)[:80]}; a plain value belongs into zn.params()"
        )

    def _sequence(self, value: Any, where: str) -> tuple[Json, Json]:
        pairs = [self.encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
        wires = [pair[0] for pair in pairs]
        values = [pair[1] for pair in pairs]
        wire = {"tuple": wires} if isinstance(value, tuple) else wires
        return wire, values if any(v is not None for v in values) else None

    def _mapping(self, value: dict[Any, Any], where: str) -> tuple[Json, Json]:
        for key in value:
            if not isinstance(key, str):
                raise FieldError(f"{where} must have text keys, received key {key!r}")
        pairs = {key: self.encode(item, f"{where}[{key!r}]") for key, item in value.items()}
        values = {key: pair[1] for key, pair in pairs.items() if pair[1] is not None}
        return {"dict": {key: pair[0] for key, pair in pairs.items()}}, values or None

    def _spec(self, value: Any, where: str) -> tuple[Json, Json]:
        cls = cast("type[Any]", type(value))
        if dataclasses.is_dataclass(cls) and not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise FieldError(
                f"{where} must be a frozen dataclass, received {cls.__name__}; "
                "write @dataclass(frozen=True), so that it cannot change after the build"
            )
        wire: dict[str, Json] = {"spec": import_path(cls), "code": code_digest(cls)}
        fields: dict[str, Json] = {}
        values: dict[str, Json] = {}
        for name, annotation, options in _spec_fields(cls):
            item = getattr(value, name)
            inner = f"{where}.{name}"
            if _holds_wires(item):
                fields[name], nested = self.encode(item, inner)
                if nested is not None:
                    values[name] = nested
                continue
            if options is not None and options.kind.is_output:
                raise FieldError(f"{inner} must not be an output: a spec has inputs only")
            values[name] = checked_param(item, annotation, inner)
            self._note_files(item, options)
        if fields:
            wire["fields"] = fields
        texts = {text for text in _leaves(values) if isinstance(text, str) and ":" in text}
        targets = {text: target_digest(text) for text in sorted(texts)}
        if any(targets.values()):
            wire["targets"] = {text: code for text, code in targets.items() if code}
        return wire, values

    def _note_files(self, item: Any, options: FieldOptions | None) -> None:
        declared = options is not None and options.kind is Kind.DEPS_PATH
        for path in _leaves(item):
            if declared or (isinstance(path, Path) and path.exists()):
                self.files.append(Path(path).as_posix())


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for item in cast("list[Any]", value):
            yield from _leaves(item)
    elif isinstance(value, dict):
        for item in cast("dict[Any, Any]", value).values():
            yield from _leaves(item)
    elif value is not None:
        yield value


def _holds_wires(value: Any) -> bool:
    if isinstance(value, (Ref, RefSum, Node)) or is_spec(value):
        return True
    if isinstance(value, (list, tuple)):
        return any(_holds_wires(item) for item in cast("list[Any]", value))
    if isinstance(value, dict):
        return any(_holds_wires(item) for item in cast("dict[Any, Any]", value).values())
    return False


def _spec_fields(cls: type[Any]) -> Iterator[tuple[str, Any, FieldOptions | None]]:
    if not dataclasses.is_dataclass(cls):
        for name, info in cls.model_fields.items():
            yield name, info.annotation, None
        return
    try:
        hints = typing.get_type_hints(cls)
    except (NameError, TypeError):
        hints = {}
    for field in dataclasses.fields(cls):
        if field.init:
            yield field.name, hints.get(field.name, field.type), field.metadata.get(OPTIONS)


def references(wire: Json) -> Iterator[dict[str, Json]]:
    """Yield every wire to a node inside ``wire``."""
    if isinstance(wire, list):
        for item in cast("list[Json]", wire):
            yield from references(item)
    elif isinstance(wire, dict):
        if "node" in wire:
            yield wire
            return
        yield from references(wire.get("sum") or wire.get("tuple") or [])
        inner = cast("dict[str, Json]", wire.get("dict") or wire.get("fields") or {})
        for item in inner.values():
            yield from references(item)


def map_references(wire: Json, change: Callable[[dict[str, Json]], Json]) -> Json:
    """Return ``wire`` with every wire to a node replaced by ``change(wire)``."""
    if isinstance(wire, list):
        return [map_references(item, change) for item in cast("list[Json]", wire)]
    if not isinstance(wire, dict):
        return wire
    if "node" in wire:
        return change(wire)
    result = dict(cast("dict[str, Json]", wire))
    for key in ("sum", "tuple"):
        if key in result:
            result[key] = map_references(result[key], change)
    for key in ("dict", "fields"):
        if key in result:
            result[key] = {k: map_references(v, change) for k, v in result[key].items()}
    return result


def decode(wire: Json, values: Json, load: Callable[[dict[str, Json]], Any]) -> Any:
    """Return the value of a wire.

    Parameters
    ----------
    values : plain values of specs, as :meth:`Encoder.encode` returned them
    load : returns the node of a wire to a node
    """
    if wire is None:
        return None
    if isinstance(wire, list):
        items = cast("list[Json]", wire)
        given = cast("list[Json]", values or [None] * len(items))
        return [decode(item, value, load) for item, value in zip(items, given, strict=True)]
    if "node" in wire:
        result: Any = load(wire)
        for count, item in enumerate(wire.get("get", ())):
            result = getattr(result, item) if count == 0 else apply_item(result, item)
        return result
    if "sum" in wire:
        return _concatenate([decode(term, None, load) for term in wire["sum"]])
    if "tuple" in wire:
        return tuple(decode(wire["tuple"], values, load))
    if "dict" in wire:
        given_by_key = cast("dict[str, Json]", values or {})
        return {key: decode(w, given_by_key.get(key), load) for key, w in wire["dict"].items()}
    return _decode_spec(wire, values, load)


def _concatenate(terms: list[Any]) -> Any:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _decode_spec(wire: Json, values: Json, load: Callable[[dict[str, Json]], Any]) -> Any:
    cls = import_object(wire["spec"])
    fields = cast("dict[str, Json]", wire.get("fields", {}))
    plain = cast("dict[str, Json]", values or {})
    arguments: dict[str, Any] = {}
    for name, annotation, _ in _spec_fields(cls):
        if name in fields:
            arguments[name] = decode(fields[name], plain.get(name), load)
        elif name in plain:
            arguments[name] = restore(plain[name], annotation)
    return cls(**arguments)


def import_object(path: str) -> Any:
    """Return the object of ``module:name``.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed here; the message says what to install.
    PipelineError
        If the module has no such name.
    """
    module, _, name = path.partition(":")
    token = IMPORTING.set(path)
    try:
        result: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            raise ModuleNotFoundError(
                f"the module {module!r} of {name} must be importable, but {error.name!r} is not "
                "found; put its file into the project's folder and run from there, or install the "
                "package that holds it",
                name=error.name,
            ) from None
        raise
    finally:
        IMPORTING.reset(token)
    for part in name.split("."):
        if not hasattr(result, part):
            raise PipelineError(
                f"{module} must define {name}, but does not; if it was renamed or moved, build "
                "again, or keep the old name for revisions that have it"
            )
        result = getattr(result, part)
    return result
