import pytest

from zn_pipeline.errors import BuildError, NameCollisionError
from zn_pipeline.naming import (
    NameRegistry,
    check_name,
    display_name,
    normalise,
    stage_name,
    suggest,
    work_dir,
)


def test_names_of_one_node():
    groups, name = ("g", "h"), "Add_1"
    assert stage_name(groups, name) == "g_h_Add_1"
    assert work_dir(groups, name) == "outs/g/h/Add_1"
    assert display_name(groups, name) == "g/h/Add_1"
    assert normalise("g/h/Add_1") == normalise("g_h_Add_1") == stage_name(groups, name)


def test_names_without_groups():
    assert (stage_name((), "A"), work_dir((), "A"), display_name((), "A")) == ("A", "outs/A", "A")


@pytest.mark.parametrize("name", ["a", "A-1", "a_b", "0"])
def test_good_names(name):
    assert check_name(name, "a name") == name


@pytest.mark.parametrize("name", ["", "_a", "-a", "a/b", "a b", "a\n", "é", None])
def test_bad_names(name):
    with pytest.raises(BuildError, match=r"a name must consist of letters, .* received"):
        check_name(name, "a name")


def test_suggestions():
    assert suggest("Adm", ["Add", "Sub"]) == "; did you mean 'Add'?"
    assert suggest("xyz", ["Add", "Sub"]) == ""


def test_automatic_names_skip_what_is_taken():
    names = NameRegistry()
    names.claim((), "Add_1")
    given = []
    for _ in range(3):
        name = names.automatic((), "Add")
        names.claim((), name)
        given.append(name)
    assert given == ["Add", "Add_2", "Add_3"]
    assert names.automatic(("g",), "Add") == "Add"


def test_one_stage_name_has_one_owner():
    names = NameRegistry()
    assert names.claim(("a", "b"), "c") == "a_b_c"
    assert "a_b_c" in names
    with pytest.raises(NameCollisionError, match=r"received 'a_b/c', .* as 'a/b/c'"):
        names.claim(("a_b",), "c")
