"""Every value comes back as it was, and as plain JSON where that is enough."""

import json

import numpy as np
import pytest

from zn_pipeline.serialize.frames.values import decode, encode, freeze_constant


def round_trip(value, n_atoms=4):
    layout, stored = encode(value, n_atoms, per_atom=True)
    if not isinstance(stored, str) and stored.ndim:
        stored = np.pad(stored, [(0, 2)] * stored.ndim, constant_values=np.nan)
    return decode(stored, layout, n_atoms)


@pytest.mark.parametrize(
    "value",
    [
        1.5, float("inf"), -0.0, 3, 2**53, 2**53 + 1, -(2**80), True, False, 1 - 2j, None, "", "ü",
        [], (), [1, 2.5], (1, 2), [(0, 1, 1.0)], [[1], (2,)], ((1, (2, 3)), "x"), {}, {"a": [None]},
        {"a": (1, 2)}, {1: 2}, {"__zn__": 3}, [{"x": 1 + 1j}], [1, (2, [3])],
    ],
)  # fmt: skip
def test_python_values(value):
    back = round_trip(value)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(4), np.arange(3, dtype=np.uint8), np.array([True, False]), np.zeros((4, 3, 2)),
        np.array([[1.0, np.nan], [np.nan, np.nan]]), np.ones((2, 2), np.float32), np.zeros((0, 3)),
        np.array([1 + 2j, 3]), np.array([[1j]], np.complex64), np.array(["a", "bc"]),
        np.array([b"a", b"\xff"]), np.array(["a", "bc"], dtype=object), np.array([2**62, 1]),
        np.array([2**64 - 1], np.uint64), np.array(5), np.float32(0.1), np.int64(2**60),
        np.bool_(True), np.complex128(1j), np.str_("x"), np.float64("nan"), np.zeros((3, 0)),
    ],
)  # fmt: skip
def test_numpy_values(value):
    back = round_trip(value)
    assert type(back) is type(value)
    assert back.dtype == value.dtype
    np.testing.assert_array_equal(back, value)
    inside = round_trip({"x": [value]})["x"][0]
    assert inside.dtype == value.dtype
    np.testing.assert_array_equal(inside, value)


@pytest.mark.parametrize("value", [[1, 2], {"a": "b"}, "text", [(0, 1, 2.0)], None, ("x", 1)])
def test_text_is_plain_json_where_possible(value):
    _, stored = encode(value, 4, per_atom=False)
    assert stored == json.dumps(value)


def test_an_array_is_copied():
    value = np.ones(3)
    _, stored = encode(value, 4, per_atom=True)
    assert isinstance(stored, np.ndarray)
    assert not np.shares_memory(stored, value)


def test_first_axis_is_symbolic_only_for_atoms():
    assert encode(np.zeros((4, 3)), 4, per_atom=True)[0].shape == (None, 3)
    assert encode(np.zeros((4, 3)), 4, per_atom=False)[0].shape == (4, 3)
    assert encode(np.zeros((5, 3)), 4, per_atom=True)[0].shape == (5, 3)


def test_constants_are_held_by_their_layout():
    value = {"indices": np.array([1, 2]), "pair": (1, 2)}
    back = decode(None, freeze_constant(value), 0)
    assert back["pair"] == (1, 2)
    np.testing.assert_array_equal(back["indices"], [1, 2])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "values must be numbers.*received builtins.object"),
        ({1, 2}, "received builtins.set; convert it"),
        ([{"a": {1}}], "received builtins.set"),
        (np.array(["2000-01-01"], "M8[D]"), "array values must be .* received dtype datetime64"),
        (np.array([None, 1]), "array values must be .* received dtype object"),
    ],
)
def test_other_types_are_refused(value, message):
    with pytest.raises(TypeError, match=message):
        encode(value, 4, per_atom=False)
