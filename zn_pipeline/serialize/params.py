"""Values of params to plain data and back.

Plain data (what YAML and JSON hold) comes from ``canonical``; ``restore`` brings it back to what
the annotation says: tuple, Path, Enum, dataclass, pydantic model, integer keys.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import os
from functools import lru_cache
from typing import Any, cast

from zn_pipeline.errors import FieldError
from zn_pipeline.records import Json


def canonical(value: Any, where: str, *, allow_nan: bool = False) -> tuple[Json, bool]:
    """Return ``value`` as plain data, and whether its type changed on the way.

    Parameters
    ----------
    where : ``Node.field``, for the message
    allow_nan : accept NaN (outputs may hold it; a param must not, it never equals itself)

    Raises
    ------
    FieldError
        If the value, or a part of it, cannot be plain data.
    """
    kind = cast("type[Any]", type(value))
    if value is None or kind in (bool, int, str):
        return value, False
    if kind is float:
        if math.isnan(value) and not allow_nan:
            raise FieldError(f"{where} must not hold NaN, which never equals itself, received nan")
        return value, False
    if kind is list or kind is tuple:
        pairs = [canonical(v, f"{where}[{i}]", allow_nan=allow_nan) for i, v in enumerate(value)]
        return [p[0] for p in pairs], kind is tuple or any(p[1] for p in pairs)
    if kind is dict:
        return _canonical_dict(value, where, allow_nan=allow_nan)
    return _canonical_other(value, where, allow_nan=allow_nan), True


def _canonical_dict(value: dict[Any, Any], where: str, *, allow_nan: bool) -> tuple[Json, bool]:
    result: dict[str, Json] = {}
    changed = False
    for key, item in value.items():
        plain_key, _ = canonical(key, f"{where} (key)", allow_nan=False)
        if isinstance(plain_key, (list, dict)) or plain_key is None:
            raise FieldError(f"{where} must have text keys, received key {key!r}")
        name = plain_key if isinstance(plain_key, str) else str(plain_key)
        if name in result:
            raise FieldError(f"{where} must have keys that differ as text, received {name!r} twice")
        result[name], inner = canonical(item, f"{where}[{key!r}]", allow_nan=allow_nan)
        changed = changed or inner or not isinstance(key, str) or isinstance(key, enum.Enum)
    return result, changed


def _canonical_other(value: Any, where: str, *, allow_nan: bool) -> Json:
    if isinstance(value, enum.Enum):
        return canonical(value.value, where, allow_nan=allow_nan)[0]
    if isinstance(value, os.PathLike):
        return os.fspath(cast("os.PathLike[str]", value)).replace(os.sep, "/")
    if isinstance(value, (bool, int, float, str)):  # subclasses, numpy's float64 among them
        base = next(b for b in (bool, int, float, str) if isinstance(value, b))
        return canonical(base(value), where, allow_nan=allow_nan)[0]
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy scalar or array
        if getattr(value, "ndim", 0) > 0 and not allow_nan:
            raise FieldError(
                f"{where} must be plain data, received an array of shape {value.shape}; "
                "pass .tolist(), or a file through deps_path"
            )
        return canonical(value.tolist(), where, allow_nan=allow_nan)[0]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return canonical(pairs, where, allow_nan=allow_nan)[0]
    if hasattr(value, "model_dump"):
        return canonical(cast("Any", value).model_dump(mode="json"), where, allow_nan=allow_nan)[0]
    if isinstance(value, (list, tuple)):
        return canonical(list(cast("list[Any]", value)), where, allow_nan=allow_nan)[0]
    hint = "; sort it into a list" if isinstance(value, (set, frozenset)) else ""
    raise FieldError(
        f"{where} must be plain data (number, text, bool, None, list, tuple, dict, Path, Enum), "
        f"received {type(value).__name__}{hint}: {str(value)[:80]}"
    )


@lru_cache(maxsize=1024)
def _adapter(annotation: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415 - slow to import
    from pydantic.errors import PydanticUserError  # noqa: PLC0415

    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # the type brings its own configuration
        return TypeAdapter(annotation)


def restore(data: Json, annotation: Any) -> Any:
    """Return plain data as the type of the annotation; an unresolved one leaves it as it is.

    Raises
    ------
    ValueError
        If the data does not fit the annotation.
    """
    if isinstance(annotation, str) or annotation is Any or type(data) is annotation:
        return data
    try:
        adapter = _adapter(annotation)
    except TypeError:  # unhashable annotation
        return data
    return adapter.validate_python(data)


def checked_param(value: Any, annotation: Any, where: str) -> Json:
    """Return the plain data of a param, after making sure that it comes back unchanged.

    Raises
    ------
    FieldError
        If the value is no plain data, does not fit the annotation, or would come back different.
    """
    data, changed = canonical(value, where)
    if annotation is type(data) and not changed:
        return data
    if isinstance(annotation, str):
        if changed and not isinstance(data, (bool, int, float, str)):
            raise FieldError(
                f"{where} must have an annotation that can be resolved, received {annotation!r} "
                f"for a {type(value).__name__}, which would come back as {type(data).__name__}"
            )
        return data
    try:
        back = restore(data, annotation)
    except ValueError as error:
        found = getattr(error, "errors", list)()
        reason = found[0]["msg"] if found else str(error)
        raise FieldError(
            f"{where} must fit its annotation {_name(annotation)}, received "
            f"{type(value).__name__} {str(value)[:80]!r}: {reason}"
        ) from None
    if changed and not _same(back, value):
        raise FieldError(
            f"{where} must come back from the params file as it was, received "
            f"{type(value).__name__} {str(value)[:80]!r}, which comes back as {back!r}; "
            f"annotate the field with the type that you pass, not {_name(annotation)}"
        )
    return data


def _same(first: Any, second: Any) -> bool:
    if type(first) is not type(second) and isinstance(first, (list, tuple, dict, str)):
        return isinstance(second, str) and first == str(second)
    return bool(first == second)


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
