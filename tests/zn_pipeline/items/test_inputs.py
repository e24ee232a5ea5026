"""Items in any form that a caller may have."""

import ase.io
import pytest

import zn_pipeline as zn
from zn_pipeline.items.inputs import Items


def names(items):
    return [atoms.info["name"] for atoms in items.read(range(len(items)))]


def test_all_forms_hold_the_same(structures, tmp_path):
    ase.io.write(tmp_path / "all.xyz", structures)
    forms = [structures, zn.Frames(structures), [structures[:4], structures[4:]],
             tmp_path / "all.xyz", (atoms for atoms in structures)]  # fmt: skip
    for form in forms:
        items = Items(form)
        assert items.of_structures
        assert names(items) == list(range(10))


def test_groups_are_items(structures):
    items = Items([structures[:4], structures[4:]], grouped=True)
    assert [len(band) for band in items.read([0, 1])] == [4, 6]
    groups = Items(zn.Frames([structures[:4], structures[4:]]), grouped=True)
    assert [len(band) for band in groups.read([0, 1])] == [4, 6]


def test_one_structure_and_plain_values(structures):
    assert len(Items(structures[0])) == 1
    values = Items([1, "b", {"c": 2}])
    assert values.read([2, 0]) == [{"c": 2}, 1]
    assert not values.of_structures


def test_what_a_function_gets_is_its_own(structures):
    items = Items(structures)
    given = items.given(structures[0], "all")
    given.positions += 1
    assert (given.positions != structures[0].positions).all()
    assert items.given(structures[0], ()).info == {}


def test_what_is_no_collection_is_refused():
    with pytest.raises(TypeError, match="items must be structures"):
        Items(3)
