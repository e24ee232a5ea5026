import math
import struct
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zn_pipeline.items.values import decode, encode

DTYPES = (
    hnp.boolean_dtypes() | hnp.integer_dtypes() | hnp.unsigned_integer_dtypes()
    | hnp.floating_dtypes() | hnp.complex_number_dtypes() | hnp.datetime64_dtypes()
    | hnp.unicode_string_dtypes() | hnp.byte_string_dtypes()
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text()
    | st.text(alphabet=st.characters(min_codepoint=0xD7FF, max_codepoint=0xE001))
    | st.binary() | hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
    | st.lists(st.integers(), min_size=8) | st.lists(st.floats(), min_size=8)
    | st.floats().map(np.float64) | st.integers(-5, 5).map(np.int16) | st.text().map(np.str_)
    | st.booleans().map(np.bool_) | st.binary().map(np.bytes_)
)  # fmt: skip
KEYS = st.text() | st.integers() | st.booleans() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


def same(one, other) -> bool:
    """Whether two values are alike in type, dtype, order and every bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        if one.dtype == object:
            return one.shape == other.shape and all(map(same, one.flat, other.flat))
        key = (one.dtype.str, one.shape, one.tobytes())
        return key == (other.dtype.str, other.shape, other.tobytes())
    if isinstance(one, np.generic):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    if isinstance(one, complex):
        return same((one.real, one.imag), (other.real, other.imag))
    return one == other


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_every_value_comes_back_as_it_was(value):
    data = encode(value)
    assert same(decode(data), value)
    assert encode(decode(data)) == data


@pytest.mark.parametrize(
    "value",
    [
        2**63, -(2**63), -(2**63) - 1, 10**40, -0.0, math.inf,
        np.array(["a", None, "longer"], dtype=object), np.array(["", "x" * 40]),
        np.zeros((0, 3)), np.array(3.5), np.float32(0.1), np.arange(6).reshape(2, 3).T,
        np.array([1, 2], ">i4"), np.datetime64("2024-01-01"), [True, 1, 1.0] * 5,
        [2**70] * 9, {1: "a", "1": "b"}, {"nested": [({"x": (1.5,)},)]},
    ],
    ids=repr,
)  # fmt: skip
def test_special_values(value):
    assert same(decode(encode(value)), value)


def test_the_result_shares_no_memory_and_can_be_changed():
    data = bytearray(encode(np.zeros(3)))
    array = decode(memoryview(data))
    array[0] = 1
    assert array.flags.owndata
    assert decode(data)[0] == 0


@pytest.mark.parametrize(
    ("value", "place", "kind"),
    [
        ({"a": [1, object()]}, r"\['a'\]\[1\]", "builtins.object"),
        ({"f": len}, r"\['f'\]", "builtin_function_or_method"),
        ([{1, 2}], r"\[0\]", "builtins.set"),
        (OrderedDict(), "", "collections.OrderedDict"),
        ({"a": np.zeros(2, [("x", float)])}, r"\['a'\]", "received dtype"),
        ({"a": np.array([object()])}, r"\['a'\]\[0\]", "builtins.object"),
        ({"m": np.ma.zeros(3)}, r"\['m'\]", "MaskedArray"),
    ],
)
def test_what_cannot_be_stored_is_named(value, place, kind):
    with pytest.raises(TypeError, match=f"a stored value{place} must be .*{kind}"):
        encode(value)


def test_other_bytes_are_refused():
    with pytest.raises(ValueError, match="must begin with"):
        decode(b"\x80\x04K\x01.")
    with pytest.raises(ValueError, match="must be whole"):
        decode(b"\x01")
    with pytest.raises(ValueError, match="must be whole"):
        decode(encode([1, 2])[:-9])
