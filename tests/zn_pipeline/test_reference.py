import operator

import pytest

import zn_pipeline as zn
from zn_pipeline.reference import RefSum, apply_item, encode_item


@pytest.fixture
def ref(calc):
    with zn.Project():
        yield calc.Sequence(name="s").numbers


def test_a_reference_shows_where_it_leads(ref):
    assert repr(ref[1:3]["k"][-1]) == "<Ref s.numbers[1:3]['k'][-1]>"
    assert repr(ref + ref[::2]) == "<Ref s.numbers> + <Ref s.numbers[::2]>"


@pytest.mark.parametrize("item", [1.5, True, None, (1, 2)])
def test_other_items_are_refused(ref, item):
    with pytest.raises(TypeError, match="must be indexed by an integer, a text key or a slice"):
        ref[item]


@pytest.mark.parametrize("use", [bool, len, list, float, int, operator.index])
def test_a_reference_is_not_a_value(ref, use):
    with pytest.raises(TypeError, match=r"<Ref s\.numbers> must not be .* while the graph"):
        use(ref)


def test_a_reference_is_compared_to_references_alone(ref):
    """Anything else is a mistake: ``if node.done == 1`` would be quietly false."""
    assert ref == ref
    assert ref != ref[0]
    assert ref in {ref}
    for compare in (operator.eq, operator.ne):
        with pytest.raises(TypeError, match="must not be compared to a value while the graph"):
            compare(ref, 1)


def test_a_reference_has_no_attributes_and_is_not_called(ref):
    with pytest.raises(TypeError, match="asked for its attribute 'shape'"):
        ref.shape  # noqa: B018
    with pytest.raises(TypeError, match="must not be called"):
        ref()


def test_sums_keep_the_order(ref):
    total = sum([ref[0], ref[1] + ref[2], ref[3]], start=[])  # noqa: RUF017
    assert isinstance(total, RefSum)
    assert [term.items for term in total.terms] == [(0,), (1,), (2,), (3,)]


@pytest.mark.parametrize("other", [1, [1], "a", None])
def test_only_references_are_added(ref, other):
    with pytest.raises(TypeError, match="only references may be added"):
        ref + other
    with pytest.raises(TypeError, match="only references may be added"):
        other + ref


@pytest.mark.parametrize("item", [0, -1, slice(1, None), slice(None, None, -2)])
def test_items_survive_encoding(item):
    assert apply_item([1, 2, 3], encode_item(item)) == [1, 2, 3][item]


def test_keys_survive_encoding():
    assert apply_item({"a": 1}, encode_item("a")) == 1
