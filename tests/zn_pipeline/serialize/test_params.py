import dataclasses
import enum
import math
from pathlib import Path

import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zn_pipeline.errors import FieldError
from zn_pipeline.serialize.params import canonical, checked_param, restore


class Level(enum.IntEnum):
    LOW = 1


class Name(enum.StrEnum):
    ANNA = "anna"


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    tags: tuple[str, ...] = ()


class Model(pydantic.BaseModel):
    point: Point
    name: Name = Name.ANNA


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (1, 1),
        ((1, (2, 3)), [1, [2, 3]]),
        (Path("a/b"), "a/b"),
        (Level.LOW, 1),
        (Name.ANNA, "anna"),
        (np.float32(0.5), 0.5),
        (np.int64(2), 2),
        (np.bool_(False), False),
        (np.str_("a"), "a"),
        ({1: 2}, {"1": 2}),
        (Point(1.0, ("a",)), {"x": 1.0, "tags": ["a"]}),
        (Model(point=Point(1.0)), {"point": {"x": 1.0, "tags": []}, "name": "anna"}),
    ],
)
def test_plain_data(value, plain):
    data, _ = canonical(value, "Node.field")
    assert data == plain
    assert type(data) is type(plain)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (tuple[int, ...], (1, 2)),
        (Level, Level.LOW),
        (Name | None, Name.ANNA),
        (dict[str, Point], {"a": Point(1.0, ("b",))}),
        (list[Model], [Model(point=Point(2.0))]),
        (dict[int, tuple[float, float]], {3: (0.1, 0.2)}),
        (Path, Path("x")),
        (float, 1),
    ],
)
def test_params_come_back(annotation, value):
    data = checked_param(value, annotation, "Node.field")
    back = restore(data, annotation)
    assert back == value
    assert type(back) is type(value) or annotation is float


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_plain_values_stay_as_they_are(value):
    assert checked_param(value, "an annotation that cannot be resolved", "Node.field") == value


@pytest.mark.parametrize("value", [math.nan, [math.nan], {"a": np.float64("nan")}])
def test_nan_is_for_outputs_only(value):
    with pytest.raises(FieldError, match=r"Node\.field.* must not hold NaN"):
        canonical(value, "Node.field")
    canonical(value, "Node.field", allow_nan=True)


@pytest.mark.parametrize("value", [{1, 2}, frozenset({1}), object(), b"bytes", 1j, len])
def test_live_objects_are_refused(value):
    with pytest.raises(FieldError, match=r"Node\.field must be plain data"):
        canonical(value, "Node.field")


def test_a_value_that_would_change_is_refused():
    with pytest.raises(FieldError, match="must come back from the params file as it was"):
        checked_param((1, 2), list[int], "Node.field")
    with pytest.raises(FieldError, match="must have an annotation that can be resolved"):
        checked_param((1, 2), "Unknown", "Node.field")
    with pytest.raises(
        FieldError, match=r"must fit its annotation int, .*: Input should be a valid"
    ):
        checked_param("many", int, "Node.field")


def test_data_that_does_not_fit_is_a_value_error():
    with pytest.raises(ValueError, match="valid integer"):
        restore("many", int)
