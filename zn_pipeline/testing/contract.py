"""The contract of a node, as a function."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from zn_pipeline.execute.worker import save
from zn_pipeline.fingerprint.code import code_digest, import_path
from zn_pipeline.node import Node, field_specs, resolved_annotation
from zn_pipeline.records import FieldSpec, Kind
from zn_pipeline.serialize.codecs import codec_for
from zn_pipeline.serialize.params import checked_param
from zn_pipeline.store.objects import hash_path
from zn_pipeline.store.source import import_class

NodeType = TypeVar("NodeType", bound=Node)


def check_node(cls: type[NodeType], *, deterministic: bool = True, **example: Any) -> NodeType:
    """Run a node on an example and check all that the framework relies on.

    Checked: a docstring; a module that workers can import; annotations on all fields; params that
    come back unchanged from the params file; ``run`` works without Git and DVC; all outputs are set
    and can be written and read; the inputs are not changed; two runs write the same bytes.

    Parameters
    ----------
    deterministic : set to False for a node that cannot give the same bytes twice, and say why
    example : values of its params and dependencies

    Returns
    -------
    Node
        The node after its run, with all outputs.

    Raises
    ------
    AssertionError
        If a point does not hold; the message names node and field.
    """
    name = cls.__name__
    assert cls.__doc__, f"{name} must have a docstring"
    assert import_class(import_path(cls)) is cls, f"{name} must be importable by its name"
    assert code_digest(cls), f"{name} must have source code"
    specs = field_specs(cls)
    for field in specs.values():
        assert field.annotation, f"{name}.{field.name} must have an annotation"
    before = fingerprint(example)
    first = _run(cls, example)
    _check_params(first)
    assert fingerprint(example) == before, f"{name}.run must not change its inputs"
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        written = _write(first, Path(one))
        _check_round_trip(first, Path(one))
        if deterministic:
            again = _write(_run(cls, example), Path(two))
            for output, content in written.items():
                assert again[output] == content, (
                    f"{name}.{output} must be the same in two runs; draw random numbers from a "
                    "generator made with a seed that is a param"
                )
    return first


def _run(cls: type[NodeType], example: Mapping[str, Any]) -> NodeType:
    node = cls(**example)
    node.run()
    return node


def _check_params(node: Node) -> None:
    for field, spec in field_specs(type(node)).items():
        if spec.kind is Kind.PARAMS:
            annotation = resolved_annotation(type(node), spec)
            where = f"{type(node).__name__}.{field}"
            checked_param(node.__dict__[field], annotation, where)


def _write(node: Node, folder: Path) -> dict[str, str]:
    vars(node)["name"] = vars(node).get("name") or type(node).__name__
    save(node, folder)
    found = {file.name: hash_path(file)[0].md5 for file in folder.iterdir()}
    for field, spec in field_specs(type(node)).items():
        if spec.kind.is_path and spec.kind.is_output:
            for path in _as_list(getattr(node, field)):
                exists = Path(path).exists()
                assert exists, f"{type(node).__name__}.{field} must be written by run(): {path}"
                found[f"{field}/{Path(path).name}"] = hash_path(Path(path))[0].md5
    return found


def _check_round_trip(node: Node, folder: Path) -> None:
    for field, spec in field_specs(type(node)).items():
        if not spec.kind.is_output or spec.kind.is_path:
            continue
        codec = codec_for(spec, _resolver(type(node), spec))
        back = codec.load(folder / f"{field}{codec.suffix}")
        with tempfile.TemporaryDirectory() as again:
            copy = Path(again) / f"{field}{codec.suffix}"
            codec.dump(back, copy)
            same = copy.read_bytes() == (folder / copy.name).read_bytes()
            assert same, (
                f"{type(node).__name__}.{field} must come back from its file as it was written"
            )


def _resolver(cls: type[Node], spec: FieldSpec) -> typing.Callable[[], Any]:
    return lambda: resolved_annotation(cls, spec)


def _as_list(paths: Any) -> list[Any]:
    return list(paths) if isinstance(paths, (list, tuple)) else [paths] if paths else []


def fingerprint(value: Any) -> str:
    """Return a digest of a value by its content: arrays, structures, specs, nodes, containers."""
    sha = hashlib.sha256()
    _feed(sha, value)
    return sha.hexdigest()


def _feed(sha: Any, value: Any) -> None:
    sha.update(type(value).__name__.encode())
    if hasattr(value, "tobytes") and hasattr(value, "dtype"):
        sha.update(str(value.dtype).encode() + repr(value.shape).encode() + value.tobytes())
    elif isinstance(value, dict):
        for key, item in value.items():
            _feed(sha, key)
            _feed(sha, item)
    elif hasattr(value, "arrays") and hasattr(value, "cell"):
        _feed(sha, dict(value.arrays))
        _feed(sha, [value.cell.array, value.pbc, value.info])
    elif dataclasses.is_dataclass(value) and not isinstance(value, (type, Node)):
        for field in dataclasses.fields(value):
            _feed(sha, getattr(value, field.name))
    elif isinstance(value, (str, bytes, int, float, bool, type(None))):
        sha.update(repr(value).encode())
    elif hasattr(value, "__iter__") and not isinstance(value, Path):
        for item in typing.cast("Iterable[Any]", value):
            _feed(sha, item)
    elif isinstance(value, Node):
        return
    else:
        sha.update(repr(value).encode())
