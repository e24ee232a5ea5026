"""The fast reader and writer against two parsers of others."""

import math

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from zn_pipeline.errors import PipelineError
from zn_pipeline.serialize.block_yaml import dump, load, reading

TEXT = st.one_of(
    st.text(),
    st.text(alphabet=":-#'\"\\ \n\t[]{},&*!|>%@`?0123456789.eE+_abn~", max_size=12),
    st.sampled_from(
        ["yes", "No", "ON", "null", "~", "", "1", "01", "0x1", "1e5", "1.0", ".inf", "-", "- a",
         "a: b", "a:b", "a #b", "1:30", "2024-01-01", "=", "<<", "é", "\u2028", "a\x00b", " a",
         "true", "12_3", "0o7", "---", "...", "? a", "\U0001f600", "0123e5", "a ",
         "d41d8cd98f00b204e9800998ecf8427e"]
    ),
)  # fmt: skip
NUMBER = st.one_of(st.integers(), st.floats(allow_nan=False))
SCALAR = st.one_of(st.none(), st.booleans(), NUMBER, TEXT)
DATA = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def same(first, second):
    """Equal, with int, float and bool kept apart."""
    if isinstance(first, dict) and isinstance(second, dict):
        return list(first) == list(second) and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return type(first) is type(second) and first == second


@settings(max_examples=120, deadline=None)
@given(st.dictionaries(TEXT, DATA, max_size=5))
@example({"a": [[1, [2, []]], {"b": {}}], "": None})
@example({"a": "x" * 300, "b": ["- a", "b: c"], "c": [{"d": [{"e": 1}]}]})
def test_what_is_written_reads_the_same_everywhere(value):
    text = dump(value)
    assert same(load(text), value)
    assert same(YAML(typ="safe", pure=True).load(text), value)
    assert same(yaml.safe_load(text), value)


@pytest.mark.parametrize("number", [0.1, 1e22, 1e-7, 1.5e300, -0.0, 5e-324, 123456789.123456789])
def test_floats_are_floats_in_all_versions_of_yaml(number):
    text = dump({"x": number})
    for read in (load, yaml.safe_load, YAML(typ="safe", pure=True).load):
        back = read(text)["x"]
        assert isinstance(back, float)
        assert back == number
        assert math.copysign(1, back) == math.copysign(1, number)


@pytest.mark.parametrize("number", [math.inf, -math.inf])
def test_infinity(number):
    assert load(dump({"x": number})) == yaml.safe_load(dump({"x": number})) == {"x": number}


HAND_WRITTEN = [
    "a: 1\nb: 'two'\n# comment\nc:\n  - 1\n  - x: 1\n    y: 2\n",
    "a: {x: 1, y: [1, 2]}\n",
    "a: |\n  one\n  two\nb: >-\n  folded\n  text\n",
    "base: &x\n  k: 1\nother:\n  <<: *x\n",
    "a: 1 # why\n",
    "- a\n- - b\n  - c\n-\n  d: 1\n",
    "a:\nb: ~\nc: ''\n",
    "a: 0x1F\nb: 1_000\nc: 1e3\nd: .5\ne: +1\n",
    "? a\n: 1\n",
    '"quoted key": "a\\tb"\n',
    "a: it's\n",
    "a:\n- 1\n-   2\n",
    "just text\n",
    "a: b: c\n",
    "date: 2024-01-01\n",
]


@pytest.mark.parametrize("text", HAND_WRITTEN)
def test_what_people_write_means_what_it_means_to_dvc(text):
    try:
        expected = YAML(typ="safe").load(text)
    except Exception:  # noqa: BLE001 - both must refuse it
        with pytest.raises(ValueError, match="the text must be YAML, received"):
            load(text)
    else:
        assert load(text) == expected


def test_nothing_is_none():
    assert load("") is None
    assert load("# only a comment\n\n") is None


def test_a_repeated_key_is_refused():
    with pytest.raises(ValueError, match="the text must be YAML"):
        load("a: 1\na: 2\n")


def test_only_plain_data_is_written():
    with pytest.raises(TypeError, match="must be plain data, received set"):
        dump({"a": {1}})


def test_indentation():
    assert dump({"a": {"b": [1]}}, indent=2) == "  a:\n    b:\n    - 1\n"


def test_the_error_of_a_parser_names_the_file():
    with (
        pytest.raises(PipelineError, match=r"my\.yaml must be readable, but is not"),
        reading("my.yaml"),
    ):
        load("a: [1,")
