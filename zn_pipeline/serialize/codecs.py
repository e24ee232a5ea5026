"""Codecs: how the value of an output becomes a file, chosen by the annotation of the field.

==============================  =========  =====================================================
annotation                      suffix     format
==============================  =========  =====================================================
list[ase.Atoms], zn.Frames      ``.h5``    H5MD, read lazily
numpy.ndarray, NDArray[...]     ``.npy``   NumPy, without pickled objects
dict[str, numpy.ndarray]        ``.npz``   NumPy archive
pandas.DataFrame                ``.csv``   CSV; floats are exact, the index is not kept
anything else                   ``.json``  JSON; tuple, Path, Enum come back by the annotation
==============================  =========  =====================================================
"""

from __future__ import annotations

import dataclasses
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zn_pipeline.records import FieldSpec, Kind
from zn_pipeline.serialize.params import canonical, restore


@dataclasses.dataclass(frozen=True, slots=True)
class Codec:
    """One file format: ``dump(value, path)`` writes, ``load(path)`` reads."""

    suffix: str
    dump: Callable[[Any, Path], None]
    load: Callable[[Path], Any]


_REGISTERED: dict[str, Codec] = {}


def register_codec(
    annotation: type | str,
    *,
    suffix: str,
    dump: Callable[[Any, Path], None],
    load: Callable[[Path], Any],
) -> None:
    """Use a file format of your own for outputs with this annotation.

    Parameters
    ----------
    annotation : class, or the text of the annotation as it is written in the node
    suffix : file name suffix with its dot
    dump : writes a value to a path
    load : reads it back
    """
    if not re.fullmatch(r"\.[A-Za-z0-9.]+", suffix):
        raise ValueError(f"suffix must start with a dot, as in '.xyz', received {suffix!r}")
    name = annotation if isinstance(annotation, str) else annotation.__name__
    _REGISTERED[name] = Codec(suffix, dump, load)


def _text_of(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return repr(annotation)


def codec_for(spec: FieldSpec, resolve: Callable[[], Any] | None = None) -> Codec:
    """Return the codec of an output field.

    Parameters
    ----------
    resolve : returns the annotation as an object; used to bring JSON values back to their type
    """
    text = _text_of(spec.annotation)
    if spec.kind is Kind.METRICS:
        return Codec(".json", _dump_json(spec.name), _load_json(None))
    if spec.kind is Kind.PLOTS:
        return _TABLE
    for name, codec in _REGISTERED.items():
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text):
            return codec
    if re.search(r"\b(Atoms|Frames)\b", text):
        return _FRAMES
    if re.search(r"\b(ndarray|NDArray)\b", text):
        return _ARCHIVE if re.match(r"(dict|Mapping|typing\.Mapping)\b", text) else _ARRAY
    if re.search(r"\bDataFrame\b", text):
        return _TABLE
    return Codec(".json", _dump_json(spec.name), _load_json(resolve))


def _dump_json(field: str) -> Callable[[Any, Path], None]:
    def dump(value: Any, path: Path) -> None:
        data, _ = canonical(value, field, allow_nan=True)
        path.write_text(json.dumps(data) + "\n", encoding="utf-8")

    return dump


def _load_json(resolve: Callable[[], Any] | None) -> Callable[[Path], Any]:
    def load(path: Path) -> Any:
        data = json.loads(path.read_text(encoding="utf-8"))
        if resolve is None or data is None:
            return data
        try:
            return restore(data, resolve())
        except ValueError:  # a value may be more than its annotation says; hand it out as stored
            return data

    return load


def _dump_array(value: Any, path: Path) -> None:
    import numpy as np  # noqa: PLC0415 - building a graph needs none of these

    array = np.asarray(value)
    if array.dtype == object:
        raise TypeError(f"an array output must hold numbers or text, received dtype {array.dtype}")
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def _load_array(path: Path) -> Any:
    import numpy as np  # noqa: PLC0415

    return np.load(path, allow_pickle=False)


def _dump_archive(value: Any, path: Path) -> None:
    import numpy as np  # noqa: PLC0415

    with zipfile.ZipFile(path, "w") as archive:
        for name, array in value.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)


def _load_archive(path: Path) -> Any:
    import numpy as np  # noqa: PLC0415

    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _dump_table(value: Any, path: Path) -> None:
    value.to_csv(path, index=False)


def _load_table(path: Path) -> Any:
    import pandas as pd

    major, minor = (int(part) for part in pd.__version__.split(".")[:2])
    missing = [""]  # nothing else: "NA" is text
    if (major, minor) >= (3, 1):  # reads floats exactly, and deprecates being asked to
        return pd.read_csv(path, keep_default_na=False, na_values=missing)
    return pd.read_csv(path, keep_default_na=False, na_values=missing, float_precision="round_trip")


def _dump_frames(value: Any, path: Path) -> None:
    from zn_pipeline.serialize.frames import write_frames  # noqa: PLC0415

    write_frames(path, value)


def _load_frames(path: Path) -> Any:
    from zn_pipeline.serialize.frames import Frames  # noqa: PLC0415

    return Frames.from_file(path)


_ARRAY = Codec(".npy", _dump_array, _load_array)
_ARCHIVE = Codec(".npz", _dump_archive, _load_archive)
_TABLE = Codec(".csv", _dump_table, _load_table)
_FRAMES = Codec(".h5", _dump_frames, _load_frames)
