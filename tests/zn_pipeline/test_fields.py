import dataclasses
from pathlib import Path

import pytest

import zn_pipeline as zn
from zn_pipeline.fields import OPTIONS, SPECIFIERS
from zn_pipeline.records import Kind


@pytest.mark.parametrize("specifier", SPECIFIERS, ids=lambda s: s.__name__)
def test_every_specifier_makes_a_field_of_its_kind(specifier):
    field = specifier()
    assert isinstance(field, dataclasses.Field)
    options = field.metadata[OPTIONS]
    assert options.kind == Kind(specifier.__name__)
    assert field.init == (not options.kind.is_output or options.kind.is_path)


def test_mutable_defaults_are_copied():
    default = [1, 2]
    factory = zn.params(default).default_factory
    assert factory() == [1, 2]
    assert factory() is not factory()
    assert factory() is not default


def test_default_and_factory_exclude_each_other():
    with pytest.raises(TypeError, match="either default or default_factory"):
        zn.params(1, default_factory=list)


@pytest.mark.parametrize(("y", "columns"), [(None, ()), ("a", ("a",)), (["a", "b"], ("a", "b"))])
def test_columns_of_plots(y, columns):
    assert zn.plots(y=y).metadata[OPTIONS].plot.y == columns


def test_paths_below_the_work_dir():
    path = zn.nwd / "a" / "b.txt"
    assert path.resolve("outs/Node") == "outs/Node/a/b.txt"
    assert str(path) == "$nwd$/a/b.txt"
    with pytest.raises(TypeError, match=r"inside a node use self\.nwd"):
        Path(path)
    with pytest.raises(ValueError, match="must be followed by a name"):
        zn.nwd.resolve("outs/Node")


@pytest.mark.parametrize("part", ["", "/a", "../a", "a/../../b"])
def test_paths_outside_of_the_work_dir_are_refused(part):
    with pytest.raises(ValueError, match="must be inside it"):
        zn.nwd / part
