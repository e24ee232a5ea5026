from pathlib import Path

import pytest

import zn_pipeline as zn
from zn_pipeline.errors import BuildError
from zn_pipeline.node import contains_reference, field_specs, resolved_annotation, state_of


class Example(zn.Node):
    """One field of each sort."""

    number: int = zn.params()
    names: list[str] = zn.params([])
    before: float = zn.deps(None)
    source: Path = zn.deps_path(None)
    text: str = zn.deps_path("a.txt")
    file: Path = zn.outs_path(zn.nwd / "file.txt")
    result: int = zn.outs()

    def run(self):
        self.result = self.number


def test_a_missing_field_is_a_type_error():
    with pytest.raises(TypeError, match="number"):
        Example()


@pytest.mark.parametrize("field", ["result"])
def test_an_output_cannot_be_given(field):
    with pytest.raises(TypeError, match=rf"Example\.{field} is an output and must not be set"):
        Example(number=1, **{field: 1})


def test_positional_arguments_are_refused():
    with pytest.raises(TypeError, match="Example takes keyword arguments only, received 2"):
        Example(1, 2)


def test_an_unknown_field_is_a_type_error():
    with pytest.raises(TypeError, match="numbr"):
        Example(numbr=1)


def test_a_node_is_an_object():
    node = Example(number=1, names=["a"], source="b/c.txt")
    assert node.number == 1
    assert node.before is None
    assert node.source == Path("b/c.txt")
    assert node.text == "a.txt"
    assert node.file == node.nwd / "file.txt"
    assert node.nwd.is_dir()
    assert node.scratch.is_dir()
    with pytest.raises(zn.NotRunError, match=r"Example\.result does not exist yet; call run\(\)"):
        node.result  # noqa: B018
    node.run()
    assert node.result == 1


def test_defaults_are_not_shared():
    first, second = Example(number=1), Example(number=1)
    first.names.append("x")
    assert second.names == []


def test_the_folder_of_a_free_node_goes_with_it():
    import gc

    node = Example(number=1)
    folder = node.nwd
    assert folder.is_dir()
    del node
    gc.collect()
    assert not folder.exists()


def test_repr_shows_params_and_never_fails():
    node = Example(number=1, name="x", before=object())
    assert repr(node) == "Example(name='x', number=1, names=[])"
    assert repr(Example.__new__(Example)) == "Example(number='...', names='...')"


def test_unknown_attributes_come_with_a_suggestion():
    message = "no field, property or method 'resul'; did you mean 'result'"
    with pytest.raises(AttributeError, match=message):
        Example(number=1).resul  # noqa: B018


@pytest.mark.parametrize("name", ["name", "nwd", "run", "scratch", "map"])
def test_reserved_names_are_refused(name):
    with pytest.raises(BuildError, match=rf"Bad\.{name} must have another name: it is reserved"):
        type("Bad", (zn.Node,), {"__annotations__": {name: "int"}, name: zn.params(1)})


def test_a_plain_field_cannot_be_given():
    """Workers would not see it."""

    class Plain(zn.Node):
        constant: int = 5

    assert Plain().constant == 5
    with pytest.raises(TypeError, match=r"Plain\.constant must be declared by zn\.params\(\)"):
        Plain(constant=6)


def test_always_changed_can_be_a_class_attribute():
    class Always(zn.Node):
        always_changed = True
        number: int = zn.params(1)

    assert Always().always_changed
    assert not Always(always_changed=False).always_changed
    assert not Example(number=1).always_changed


def test_a_node_is_equal_to_itself_alone():
    assert Example(number=1) != Example(number=1)
    assert len({Example(number=1), Example(number=1)}) == 2


def test_map_reports_progress_and_keeps_the_order():
    node = Example(number=1)
    seen = []
    state_of(node).report = lambda done, total: seen.append((done, total))
    assert node.map(lambda x: 2 * x, (x for x in (3, 1, 2))) == [6, 2, 4]
    assert seen[0] == (0, 3)
    assert seen[-1] == (3, 3)
    assert seen == sorted(seen)


def test_fields_and_their_annotations():
    specs = field_specs(Example)
    assert list(specs) == ["number", "names", "before", "source", "text", "file", "result"]
    assert [name for name, spec in specs.items() if spec.required] == ["number"]
    assert resolved_annotation(Example, specs["names"]) == list[str]


def test_references_are_found_at_any_depth(calc):
    with zn.Project():
        ref = calc.Const(value=1).out
    assert contains_reference({"a": [1, (ref,)]})
    assert not contains_reference({"a": [1, (2,)], "b": Path()})
    assert not contains_reference(Path)


def test_state_outside_of_a_project_is_not_registered(calc):
    with zn.Project() as project:
        inside = calc.Const(value=1)
    outside = calc.Const(value=2)
    assert list(project.nodes.values()) == [inside]
    assert outside.name is None
    assert inside.name == "Const"
