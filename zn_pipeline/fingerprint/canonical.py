"""Plain data that stands for a value: equal for equal values in every process, never a pickle.

==============================  ===============================================================
value                           stands for it
==============================  ===============================================================
None, bool, int, float, str     itself, exactly; True is not 1, and 1 is not 1.0; NaN is refused
numpy scalar                    the Python number
list, tuple, other sequence     a list of what stands for its entries
dict                            the same with its keys in order
set of texts or numbers         a sorted list
array                           its dtype, shape and content
Path                            the content of the file or folder, or the text if there is none
Enum, class                     its import path
dataclass, pydantic model       its import path and fields, without those of ``{"key": False}``
structure (``ase.Atoms``)       its digest, with everything that it holds
``__cache_key__()``             what that method of its class returns
==============================  ===============================================================
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import hashlib
import math
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path, PurePath
from typing import Any, NoReturn

import numpy as np

from zn_pipeline.errors import NotCacheableError
from zn_pipeline.fingerprint.atoms import atoms_hash, is_atoms
from zn_pipeline.fingerprint.files import content_digest
from zn_pipeline.records import Json

_PLAIN_REPR = (
    range,
    slice,
    np.dtype,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
)
CURE = (
    "give plain values, or give its class a method __cache_key__() that returns plain values for it"
)


def canonical(value: Any, where: str = "value") -> Json:
    """Return plain data that stands for ``value``.

    Raises
    ------
    NotCacheableError
        If a part of it has no stable digest; the message starts with ``where``.
    """
    return Canon().value(value, where)


def class_path(cls: type) -> str:
    """Return ``module:Class``; a class of the running script is named by the script's file."""
    return f"{module_name(cls.__module__)}:{cls.__qualname__}"


def module_name(name: str) -> str:
    """Return the name by which a module can be imported: that of the script for ``__main__``."""
    if name != "__main__":
        return name
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    return spec.name if spec is not None else Path(file).stem if file else name


class Canon:
    """Turns values into plain data and notes the files and classes that it meets.

    Parameters
    ----------
    subject : start of the messages of errors

    Attributes
    ----------
    files : digest of the content of each file that was met, by the place where it stood
    paths : their paths, for people to read
    """

    text_may_be_file = False

    def __init__(self, subject: str = "") -> None:
        self.subject = subject
        self.files: dict[str, str] = {}
        self.paths: dict[str, str] = {}
        self._open: set[int] = set()

    def met(self, cls: type) -> None:
        """Take note of the class of an object that is part of a value."""

    def name(self, cls: type) -> str:
        """Return what names a class."""
        return class_path(cls)

    def other(self, value: Any, where: str) -> Json:
        """Return what stands for a value of none of the known kinds."""
        self.refuse(value, where)

    def refuse(self, value: Any, where: str, reason: str = "") -> NoReturn:
        """Raise NotCacheableError for a value."""
        shown = f"an object of {type(value).__module__}.{type(value).__qualname__}"
        raise NotCacheableError(
            f"{self.subject}{where} must be a value with a stable digest, "
            f"received {reason or shown}; {CURE}"
        )

    def value(self, value: Any, where: str) -> Json:
        """Return plain data that stands for ``value``, which stood at ``where``."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum):
            return {"$enum": f"{self.name(type(value))}.{value.name}"}
        if isinstance(value, str):
            return self.file(value, where) if self.text_may_be_file and _is_file(value) else value
        if isinstance(value, (int, float, complex, np.generic)):
            return self._number(value, where)
        if isinstance(value, (bytes, bytearray)):
            return {"$bytes": hashlib.blake2b(value, digest_size=16).hexdigest()}
        if id(value) in self._open:
            self.refuse(value, where, "a value that contains itself")
        self._open.add(id(value))
        try:
            return self._compound(value, where)
        finally:
            self._open.discard(id(value))

    def _number(self, value: Any, where: str) -> Json:
        number = value.item() if isinstance(value, np.generic) else value
        if isinstance(number, complex):
            return {"$complex": [self._number(x, where) for x in (number.real, number.imag)]}
        if isinstance(number, float):
            if math.isnan(number):
                self.refuse(value, where, "NaN")
            return {"$float": str(number)} if math.isinf(number) else number + 0.0
        if isinstance(number, (bool, int)):
            return number
        return {f"${type(value).__name__}": str(value)}

    def _compound(self, value: Any, where: str) -> Json:
        if isinstance(value, PurePath):
            return self.file(value, where) if Path(value).exists() else value.as_posix()
        if is_atoms(value):
            return {"$atoms": atoms_hash(value, "all").hex()}
        key = getattr(type(value), "__cache_key__", None)
        if key is not None:
            self.met(type(value))
            plain = self.value(key(value), f"{where}.__cache_key__()")
            return {"$class": self.name(type(value)), "key": plain}
        if isinstance(value, type):
            return self.type(value, where)
        if dataclasses.is_dataclass(value) or hasattr(type(value), "model_fields"):
            return self.fields(value, where)
        if isinstance(value, Mapping):
            return self._mapping(value, where)
        if isinstance(value, AbstractSet):
            return {"$set": self._sorted(value, where)}
        if isinstance(value, _PLAIN_REPR):
            return {f"${type(value).__name__}": repr(value)}
        if isinstance(value, Sequence):
            return [self.value(item, f"{where}[{row}]") for row, item in enumerate(value)]
        if isinstance(value, np.ndarray) or hasattr(type(value), "__array__"):
            return self._array(np.asarray(value), where)
        return self.other(value, where)

    def type(self, cls: type, where: str) -> Json:
        """Return what stands for a class."""
        self.met(cls)
        return {"$type": self.name(cls)}

    def file(self, path: str | PurePath, where: str) -> Json:
        """Return what stands for a file or folder: its content, wherever it lies."""
        try:
            self.files[where] = content_digest(str(path))
        except OSError as error:
            raise NotCacheableError(
                f"{self.subject}{where} must name a file that can be read, "
                f"received {str(path)!r} ({error})"
            ) from error
        self.paths[where] = str(path)
        return {"$file": self.files[where]}

    def fields(self, value: Any, where: str) -> Json:
        """Return what stands for a dataclass or pydantic object."""
        self.met(type(value))
        fields = {
            name: self.value(getattr(value, name), f"{where}.{name}")
            for name in sorted(counted_fields(value))
        }
        return {"$class": self.name(type(value)), **fields}

    def _mapping(self, value: Mapping[Any, Any], where: str) -> Json:
        plain: dict[str, Json] = {}
        for key, item in value.items():
            name = key
            if not isinstance(key, str) or isinstance(key, enum.Enum):
                shown = self.value(key, f"a key of {where}")
                name = f"<{type(key).__name__}> {shown}"
            elif key.startswith(("<", "$")):  # may not be taken for one of ours
                name = f"<str> {key}"
            plain[name] = self.value(item, f"{where}[{key!r}]")
        return {name: plain[name] for name in sorted(plain)}

    def _sorted(self, value: AbstractSet[Any], where: str) -> list[Json]:
        items = list(value)
        plain = all(isinstance(item, (str, int, float)) for item in items)
        texts = {isinstance(item, str) for item in items}
        if not plain or len(texts) > 1:
            self.refuse(value, where, "a set of other things than texts or numbers")
        return [self.value(item, where) for item in sorted(items)]

    def _array(self, value: np.ndarray, where: str) -> Json:
        if value.dtype.kind == "O":
            return self.value(value.tolist(), where)
        dtype = value.dtype.newbyteorder("<")
        content = np.ascontiguousarray(value, dtype=dtype).tobytes()
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        return {"$array": [dtype.str, list(value.shape), digest]}


def counted_fields(value: Any) -> Iterator[str]:
    """Yield the fields of a dataclass or pydantic object that are part of the key."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if field.metadata.get("key", True):
                yield field.name
        return
    for name, info in type(value).model_fields.items():
        extra = info.json_schema_extra
        if not info.exclude and (not isinstance(extra, dict) or extra.get("key", True)):
            yield name
    yield from getattr(value, "model_extra", None) or ()


def _is_file(text: str) -> bool:
    if not 0 < len(text) < 4096 or "\n" in text or "\0" in text:
        return False
    path = Path(text)
    return path.is_file() or ("/" in text and path.is_dir())
