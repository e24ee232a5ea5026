import dataclasses
import datetime
import enum
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
from ase.build import bulk

from zn_pipeline.errors import NotCacheableError
from zn_pipeline.fingerprint.canonical import canonical


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Name(enum.StrEnum):
    RED = "r"


@dataclasses.dataclass(frozen=True)
class Settings:
    cutoff: float = 5.0
    cores: int = dataclasses.field(default=1, metadata={"key": False})
    extra: Any = None


class Model(pydantic.BaseModel):
    cutoff: float = 5.0
    cores: int = pydantic.Field(default=1, json_schema_extra={"key": False})
    secret: int = pydantic.Field(default=1, exclude=True)


class Keyed:
    def __init__(self, value: Any) -> None:
        self.value, self.lock = value, object()

    def __cache_key__(self) -> Any:
        return {"value": self.value}


def text(value: Any) -> str:
    return json.dumps(canonical(value), sort_keys=True, allow_nan=False)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((1, 2), [1, 2]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.float64(0.1), 0.1),
        (np.int8(3), 3),
        (np.bool_(True), True),
        (np.array(3.0), np.array(3.0, order="F")),
        (np.ones((2, 3), order="F"), np.ones((2, 3))),
        (np.arange(3, dtype=">i8"), np.arange(3, dtype="<i8")),
        ({"b", "a", "c"}, frozenset({"c", "a", "b"})),
        (Settings(cores=1), Settings(cores=8)),
        (Model(cores=1, secret=1), Model(cores=8, secret=2)),
        (Keyed(1), Keyed(1)),
        (bulk("Cu"), bulk("Cu")),
        (-0.0, 0.0),
    ],
)
def test_equal_values(first, second):
    assert text(first) == text(second)


def test_other_values():
    values = [
        None, True, False, 0, 1, 1.0, 0.1, 0.1 + 1e-16, "1", "a", b"a", [], [1], {}, {"a": 1},
        {1: 1}, {"1": 1}, {"<int> 1": 1}, [1, 2], [2, 1], {1, 2}, np.array([1, 2]),
        np.array([1.0, 2.0]), np.array([[1, 2]]), np.array([1, 2], dtype="i4"), Color.RED,
        Color.BLUE, Name.RED, "r", Settings(), Settings(cutoff=6), Settings(extra=[1]), Model(),
        Model(cutoff=6), Keyed(1), Keyed("1"), {"value": 1}, bulk("Cu"), bulk("Ag"), 1j,
        float("inf"), float("-inf"), range(3), slice(1), datetime.date(2020, 1, 1), Decimal("1.0"),
        Settings, Model, np.dtype("f4"), {"$array": 1},
    ]  # fmt: skip
    assert len({text(value) for value in values}) == len(values)


def test_paths_count_by_content(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in [("a", "x"), ("b", "x"), ("c", "y")]:
        Path(name).write_text(content)
    assert text(Path("a")) == text(tmp_path / "b") != text(Path("c"))
    assert text("a") != text(Path("a")), "a text is a text"
    assert canonical(Path("missing/file")) == "missing/file"
    before = text(tmp_path)
    Path("d").touch()
    assert text(tmp_path) != before


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (object(), "builtins.object"),
        (np.random.default_rng(1), "Generator"),
        (float("nan"), "NaN"),
        ({1, "a"}, "a set"),
        ({(1, 2)}, "a set"),
        (lambda: 1, "function"),
    ],
)
def test_what_is_refused(value, what):
    with pytest.raises(NotCacheableError, match=f"received .*{what}.*__cache_key__"):
        canonical(value)
    with pytest.raises(NotCacheableError, match=r"value\['a'\]\[1\]\.extra must be a value"):
        canonical({"a": [1, Settings(extra=value)]})


def test_a_value_in_itself_is_refused():
    value: list[Any] = [1]
    value.append(value)
    with pytest.raises(NotCacheableError, match="contains itself"):
        canonical(value)
    shared = [1]
    assert canonical([shared, shared]) == [[1], [1]]
