"""Arrays and records on disk: npz and JSON, written atomically, never pickled."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

__all__ = [
    "array_digest", "flatten", "read_arrays", "read_json", "unflatten", "write_arrays",
    "write_json",
]  # fmt: skip


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to an npz file that is either complete or not there."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: np.asarray(a) for name, a in arrays.items()})
    _replace(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read back what `write_arrays` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON object that is either complete or not there."""
    _replace(path, (json.dumps(record, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read back what `write_json` wrote."""
    return json.loads(path.read_text())


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def flatten(tree: Any) -> dict[str, np.ndarray]:
    """Leaves of a nested structure by their path, as NumPy arrays."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def unflatten(template: Any, arrays: Mapping[str, np.ndarray], *, check_types: bool = True) -> Any:
    """Put arrays from `flatten` back into the structure of ``template``.

    Raises
    ------
    ValueError
        If names, shapes or, with ``check_types``, dtypes differ from those of the template.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(template)
    names = [jax.tree_util.keystr(path) for path, _ in leaves]
    if set(names) != set(arrays):
        raise ValueError(
            f"stored arrays must be those of the template, received a difference in "
            f"{sorted(set(names) ^ set(arrays))}"
        )
    for name, (_, leaf) in zip(names, leaves, strict=True):
        expected: tuple[Any, ...] = (np.shape(leaf),)
        received: tuple[Any, ...] = (arrays[name].shape,)
        if check_types:
            expected = (*expected, np.asarray(leaf).dtype)
            received = (*received, arrays[name].dtype)
        if expected != received:
            raise ValueError(f"stored array {name} must be {expected}, received {received}")
    return jax.tree_util.tree_unflatten(structure, [arrays[name] for name in names])


def array_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, dtypes, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
